"""Which runs are compared with which, and what the page about two of them says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bench.judge.compare import compare
from bench.show.comparison_text import MEANING, by_weight, factor, measures, summary
from bench.show.site.page import Page
from bench.show.site.runs import Run
from models.errors import InputError

Pair = tuple[Run, Run]  # the older one first


def pairs(runs: Sequence[Run], chosen: Sequence[tuple[Path | str, Path | str]] = ()) -> list[Pair]:
    """The chosen pairs of directories, else every two consecutive runs of one suite that share cells, oldest first.

    Raises InputError where a chosen directory is not among the runs.
    """
    if chosen:
        return [(run_of(runs, base), run_of(runs, new)) for base, new in chosen]
    suites: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: str(run.finished or "")):
        suites[run.results.suite.name or run.name].append(run)
    return [(a, b) for own in suites.values() for a, b in pairwise(own) if names_of(a) & names_of(b)]


def run_of(runs: Sequence[Run], directory: Path | str) -> Run:
    for run in runs:
        if run.results.directory.resolve() == Path(directory).resolve():
            return run
    known = ", ".join(str(run.results.directory) for run in runs)
    raise InputError(f"site: --compare {directory} is not among the directories given: {known}")


def names_of(run: Run) -> set[tuple[str, str]]:
    return {cell.name for cell in run.results.cells}


def compare_page(base: Run, new: Run) -> Page:
    """What changed between two runs, cell by cell, as `ditbench compare` says it."""
    rows = compare(base.results, new.results)
    context = {
        "title": f"{base.page} → {new.page}", "runs": (base, new), "summary": summary(rows), "meaning": MEANING,
        "measures": measures(), "rows": [(row, {c.measure: factor(c) for c in row.changes}) for row in by_weight(rows)],
        "unreadable": [*base.results.unreadable, *new.results.unreadable],
    }  # fmt: skip
    return Page(f"compare/{base.page}--{new.page}.html", "compare.html", context)
