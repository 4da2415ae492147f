"""What a gate found, as text, Markdown and JSON: what keeps it closed comes first, with where and by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.judge.gate.checks import FAIL, LEFT_OUT, PASS, UNRESOLVED, Finding
from bench.show.report.markup import markdown_table
from bench.store.results import one_line


def is_open(findings: Sequence[Finding], allow_unresolved: bool) -> bool:
    """Whether every check that was asked for passed; a gate that looked at nothing is closed."""
    allowed = {PASS, LEFT_OUT} | ({UNRESOLVED} if allow_unresolved else set())
    return any(f.verdict == PASS for f in findings) and all(f.verdict in allowed for f in findings)


def headline(findings: Sequence[Finding], allow_unresolved: bool) -> str:
    counts = Counter(f.verdict for f in findings)
    words = [word for word in (FAIL, UNRESOLVED, PASS, LEFT_OUT) if counts[word]]
    told = ", ".join(f"{counts[word]} {word}" for word in words) or "nothing checked"
    return f"gate {'open' if is_open(findings, allow_unresolved) else 'closed'}: {told}"


def as_text(findings: Sequence[Finding], allow_unresolved: bool) -> str:
    lines = [f"{f.verdict:<10} " + one_line(f"{name(f)} {f.check}: {f.detail}") for f in telling(findings)]
    return "\n".join([*lines, headline(findings, allow_unresolved)])


def as_markdown(findings: Sequence[Finding], allow_unresolved: bool) -> str:
    lines = [f"**{headline(findings, allow_unresolved)}**", ""]
    if telling(findings):
        rows = [(f.verdict, name(f), f.check, f.detail) for f in telling(findings)]
        lines.append(markdown_table(("Verdict", "Cell", "Check", "What moved"), rows))
    return "\n".join(lines)


def as_json(findings: Sequence[Finding], allow_unresolved: bool) -> dict[str, Any]:
    return {"open": is_open(findings, allow_unresolved), "findings": [asdict(f) for f in findings]}


def telling(findings: Sequence[Finding]) -> list[Finding]:
    """What is not a pass, failures first; last what was left out, one line a check and reason."""
    kept = [f for f in findings if f.verdict in (FAIL, UNRESOLVED)]
    return [*sorted(kept, key=lambda f: f.verdict != FAIL), *left_out(findings)]


def left_out(findings: Sequence[Finding]) -> list[Finding]:
    """What neither run was asked for, gathered over cells."""
    counts = Counter((f.check, f.detail) for f in findings if f.verdict == LEFT_OUT)
    found = [(check, f"in {n} cell{'s' * (n > 1)}: {text}") for (check, text), n in counts.items()]
    return [Finding("", "", check, LEFT_OUT, text) for check, text in found]


def name(finding: Finding) -> str:
    return f"{finding.model}/{finding.slug}" if finding.model else "results"
