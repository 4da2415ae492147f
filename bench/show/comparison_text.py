"""A comparison as text for a terminal, Markdown for a pull request, JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.judge.change import BETTER, SAME, UNRESOLVED, WORSE, Change
from bench.judge.compare import GONE, NEW, STALE, Row
from bench.schema import metrics
from bench.show.report.markup import markdown_table
from bench.store.results import one_line

ORDER = (WORSE, BETTER, STALE, UNRESOLVED, NEW, GONE, SAME)  # what a reader wants to see first
MEANING = (
    "Factors are new / base of what is better when lower (latency, 1 / speed-up, Fréchet distance): above 1 is worse. "
    "In brackets the 95 % interval; quality's is of paired differences without bias where the seeds are shared. Better "
    "and worse are certain after Holm's correction over all factors."
)


def measures() -> tuple[str, ...]:
    """What is compared of each cell."""
    return "latency", "speed-up", *(metric.compared_as for metric in metrics.METRICS if metric.compared_as)


def summary(rows: Sequence[Row]) -> str:
    """`2 worse, 1 better, 77 same`."""
    counts = Counter(row.verdict for row in rows)
    return ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word]) or "no cells"


def by_weight(rows: Sequence[Row]) -> list[Row]:
    """What is worse first, then what is better; `same` last."""
    return sorted(rows, key=lambda row: ORDER.index(row.verdict))


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """What `ditbench compare --json` prints."""
    return {"summary": dict(Counter(row.verdict for row in rows)), "cells": [asdict(row) for row in rows]}


def as_text(rows: Sequence[Row]) -> str:
    """One line a cell, the summary last."""
    lines = []
    for row in by_weight(rows):
        facts = [f"{c.measure} {factor(c)}" for c in row.changes] + list(row.notes)
        lines.append(f"{row.verdict:<10} " + one_line(f"{row.model}/{row.slug}: {'; '.join(facts)}").rstrip(": "))
    return "\n".join([*lines, summary(rows)])


def as_markdown(rows: Sequence[Row]) -> str:
    """The summary, a table of what is not the same, and what the numbers mean."""
    told = [row for row in by_weight(rows) if row.verdict != SAME]
    if not told:
        return f"**{summary(rows)}**\n"
    head = ["Verdict", "Model", "Method", *(name.capitalize() for name in measures()), "Remarks"]
    return "\n".join([f"**{summary(rows)}**", "", markdown_table(head, [*map(cells_of, told)]), MEANING]) + "\n"


def cells_of(row: Row) -> list[str]:
    changes = {change.measure: factor(change) for change in row.changes}
    return [row.verdict, row.model, row.method, *(changes.get(name, "–") for name in measures()), "; ".join(row.notes)]


def factor(change: Change) -> str:
    """`1.08× [1.05, 1.11] worse`."""
    return f"{change.factor:.3f}× [{change.low:.3f}, {change.high:.3f}] {change.verdict}"
