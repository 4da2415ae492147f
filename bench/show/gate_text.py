"""What a gate found, as text, Markdown and JSON: what keeps it closed comes first, with where and by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.judge.decided import largest
from bench.judge.decision import Decision
from bench.judge.gate.checks import FAIL, LEFT_OUT, PASS, UNRESOLVED, Finding
from bench.show.report.markup import markdown_table, markdown_text
from bench.store.results import Results, one_line


def is_open(findings: Sequence[Finding], allow_unresolved: bool) -> bool:
    """Whether every check that was asked for passed; a gate that looked at nothing is closed."""
    allowed = {PASS, LEFT_OUT} | ({UNRESOLVED} if allow_unresolved else set())
    return any(f.verdict == PASS for f in findings) and all(f.verdict in allowed for f in findings)


def headline(findings: Sequence[Finding], allow_unresolved: bool) -> str:
    """`gate open: 12 pass, 1 left out`: the answer, and how many checks ended how."""
    counts = Counter(f.verdict for f in findings)
    words = [word for word in (FAIL, UNRESOLVED, PASS, LEFT_OUT) if counts[word]]
    told = ", ".join(f"{counts[word]} {word}" for word in words) or "nothing checked"
    return f"gate {'open' if is_open(findings, allow_unresolved) else 'closed'}: {told}"


def as_text(findings: Sequence[Finding], allow_unresolved: bool, verdicts: Sequence[str] = ()) -> str:
    """`verdicts`: what `verdict_lines` says; it stands before the headline and keeps no gate closed."""
    lines = [f"{f.verdict:<10} " + one_line(f"{name(f)} {f.check}: {f.detail}") for f in telling(findings)]
    return "\n".join([*lines, *map(one_line, verdicts), headline(findings, allow_unresolved)])


def as_markdown(findings: Sequence[Finding], allow_unresolved: bool, verdicts: Sequence[str] = ()) -> str:
    """What `ditbench gate --markdown` prints."""
    lines = [f"**{headline(findings, allow_unresolved)}**", ""]
    if verdicts:
        lines += [*(f"- {markdown_text(line)}" for line in verdicts), ""]
    if telling(findings):
        rows = [(f.verdict, name(f), f.check, f.detail) for f in telling(findings)]
        lines.append(markdown_table(("Verdict", "Cell", "Check", "What moved"), rows))
    return "\n".join(lines)


def as_json(findings: Sequence[Finding], allow_unresolved: bool, verdicts: Sequence[str] = ()) -> dict[str, Any]:
    """What `ditbench gate --json` prints."""
    listed = [asdict(f) for f in findings]
    return {"open": is_open(findings, allow_unresolved), "findings": listed, "verdicts": list(verdicts)}


def verdict_lines(base: Results, new: Results) -> list[str]:
    """Of every model that both can judge, what to use and which verdicts changed, by the rule of all reports.

    Nothing where nothing changed. A baseline that was stripped of its times cannot be judged.
    """
    before, lines = largest(base), []
    for model, now in largest(new).items():
        then = before.get(model)
        if then is None or then.headline is None or now.headline is None:
            continue
        if then.headline.setting != now.headline.setting:
            lines.append(f"{model}: use {now.headline.setting}, before {then.headline.setting}")
        lines += [f"{model}/{slug}: {words}" for slug, words in changed(then, now)]
    return lines


def changed(then: Decision, now: Decision) -> list[tuple[str, str]]:
    """Slugs of both whose verdict differs, and how."""
    both = [slug for slug in now.rulings if slug in then.rulings]
    words = {slug: (then.rulings[slug].word, now.rulings[slug].word) for slug in both}
    return [(slug, f"{before} before, {after} now") for slug, (before, after) in words.items() if before != after]


def telling(findings: Sequence[Finding]) -> list[Finding]:
    """What is not a pass, failures first; last what was left out, one line a check and reason."""
    kept = [f for f in findings if f.verdict in (FAIL, UNRESOLVED)]
    return [*sorted(kept, key=lambda f: f.verdict != FAIL), *left_out(findings)]


def left_out(findings: Sequence[Finding]) -> list[Finding]:
    """What neither run was asked for, gathered over cells."""
    counts = Counter((f.check, f.detail) for f in findings if f.verdict == LEFT_OUT)
    counted = [(check, f"in {n} cell{'s' * (n > 1)}: {text}") for (check, text), n in counts.items()]
    return [Finding("", "", check, LEFT_OUT, text) for check, text in counted]


def name(finding: Finding) -> str:
    return f"{finding.model}/{finding.slug}" if finding.model else "results"
