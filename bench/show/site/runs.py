"""What a site is made of: result directories, each a run of its own, and groups of cells that were measured alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bench.judge.decided import decisions, judged
from bench.judge.decision import Decision
from bench.show.report.group import Analysis, Group, groups_of
from bench.show.report.timing_notes import warning_sentence
from bench.show.site.names import Names
from bench.show.table import frame
from bench.store.results import Results, read_results
from bench.store.stored_cell import StoredCell
from models.errors import InputError


@dataclass(frozen=True)
class Run:
    """One result directory. `page` is the name of its page, without a folder or a suffix; `decided` as of all pools."""

    results: Results
    analysis: Analysis
    name: str
    page: str
    decided: Sequence[Decision] = ()

    @cached_property
    def table(self) -> pd.DataFrame:
        """Of all cells."""
        return frame(self.results.cells, self.analysis)

    @cached_property
    def groups(self) -> list[Group]:
        """Cells that may be ranked together; never across runs."""
        return groups_of(self.results, self.analysis, decided=self.decided, table=self.table)

    @property
    def title(self) -> str:
        """The suite's title, else the directory's name."""
        return self.results.suite.title or self.results.suite.name or self.name

    @cached_property
    def warning(self) -> str:
        """How many cells carry a timing warning, and of which kinds; empty where none does."""
        return warning_sentence(self.results.cells)

    @cached_property
    def finished(self) -> datetime | None:
        """When its last cell finished; None where none says."""
        return max((t for cell in self.results.cells if (t := time_of(cell))), default=None)


def read_runs(directories: Sequence[Path | str]) -> list[Run]:
    """The runs, in the order given. Raises InputError where two directories claim the same cell of the same run."""
    if not directories:
        raise InputError("site: expected at least one directory of results")
    _refuse_twins([Path(d) for d in directories])
    names = Names()
    runs: list[Run] = []
    for i, directory in enumerate(directories):
        results = read_results(directory)
        name = Path(directory).resolve().name or "run"
        page = names.of(name if all(name != run.name for run in runs) else f"{name} {i + 1}")
        made = decisions(results)
        runs.append(Run(results, judged(results, made), name, page, [decision for _, decision in made]))
    _refuse_double_claims(runs)
    return runs


def _refuse_twins(directories: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for directory in directories:
        if directory.resolve() in seen:
            raise InputError(f"{directory}: given twice (also as {seen[directory.resolve()]})")
        seen[directory.resolve()] = directory


def _refuse_double_claims(runs: Sequence[Run]) -> None:
    """One measurement in two places would count twice; which is right where they differ, nobody could tell."""
    seen: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        for cell in run.results.cells:
            claim = (*cell.name, cell.key, cell.finished)
            other = seen.setdefault(claim, run)
            if other is not run and cell.finished:
                where = f"{cell.model}/{cell.slug}, finished {cell.finished}"
                raise InputError(f"{run.results.directory} and {other.results.directory} claim the same cell: {where}")


def time_of(cell: StoredCell) -> datetime | None:
    """When a cell finished, in UTC; None where it does not say, or not as ISO 8601."""
    try:
        time = datetime.fromisoformat(cell.finished or "")
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def machine_of(cell: StoredCell) -> str:
    """The GPU where there was one, else the CPU and its cores."""
    machine = cell.environment
    if machine.gpu and not str(cell.settings.device or "").startswith("cpu"):
        return str(machine.gpu)
    cores = f", {machine.cores} cores" if machine.cores else ""
    return f"{machine.cpu}{cores}" if machine.cpu else "unrecorded machine"


def machines_of(cells: Sequence[StoredCell]) -> list[str]:
    """The machines of some cells, in their order."""
    return list(dict.fromkeys(machine_of(cell) for cell in cells))
