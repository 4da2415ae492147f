"""The feed of changes (Atom, RFC 4287): for every run, and every day on which cells of it finished, one entry."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bench.show.site.runs import Run, time_of
from bench.store.results import one_line
from bench.store.stored_cell import StoredCell

NAMESPACE = uuid.UUID("5b0c2b5e-6c55-5d0b-9f0e-0d7d1b6f9a10")  # of this feed's identifiers
MAX_ENTRIES = 100  # entries; older ones leave the feed


@dataclass(frozen=True)
class Entry:
    """What happened in one run on one day."""

    run: Run
    day: str
    id: str
    title: str
    updated: str
    lines: tuple[str, ...]  # one a cell, in the order in which they finished

    @property
    def link(self) -> str:
        return f"suite/{self.run.page}.html"

    @property
    def anchor(self) -> str:
        return f"{self.run.page}-{self.day}"

    @property
    def text(self) -> str:
        return "; ".join(self.lines)


def entries(runs: Sequence[Run]) -> list[Entry]:
    """The newest first; cells that do not say when they finished are in none."""
    days: dict[tuple[str, str], list[tuple[datetime, StoredCell]]] = defaultdict(list)
    by_page = {run.page: run for run in runs}
    for run in runs:
        for cell in run.results.cells:
            if time := time_of(cell):
                days[run.page, time.date().isoformat()].append((time, cell))
    made = [_entry(by_page[page], day, timed) for (page, day), timed in days.items()]
    return sorted(made, key=lambda entry: (entry.updated, entry.link), reverse=True)[:MAX_ENTRIES]


def _entry(run: Run, day: str, timed: list[tuple[datetime, StoredCell]]) -> Entry:
    counts = Counter(cell.status for _, cell in timed)
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    return Entry(
        run=run,
        day=day,
        id=uuid.uuid5(NAMESPACE, f"{run.page}/{day}").urn,
        title=one_line(f"{run.title}: {len(timed)} cell{'' if len(timed) == 1 else 's'} finished ({words})"),
        updated=max(time for time, _ in timed).isoformat(timespec="seconds").replace("+00:00", "Z"),
        lines=tuple(one_line(f"{c.model}: {c.method} ({c.status})") for _, c in sorted(timed, key=_when)),
    )  # fmt: skip


def _when(timed: tuple[datetime, StoredCell]) -> datetime:
    return timed[0]
