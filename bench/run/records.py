"""What a run stores of a cell: its head, what was measured, and its times when they are there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.cost.dry_run import macs_of
from bench.host.environment import environment
from bench.host.notice import say
from bench.schema.cell import MEASURED, SCHEMA
from bench.store.code_hash import code_of
from bench.store.directory import Store
from bench.store.stored_cell import StoredCell, completed
from bench.suite import protocol
from bench.suite.cells import Cell, Settings
from models.errors import InputError

FAILURES = ("failed", "timeout", "oom")
UNKNOWN_STEPS = 50.0


class Records:
    """The cells of one run in its directory. `machine` says the environment of what a device ran on."""

    def __init__(
        self, store: Store, suite: str, settings: Settings, machine: Callable[[str], dict[str, Any]] = environment
    ) -> None:
        self.store, self.suite, self.settings, self.machine = store, suite, settings, machine

    def write(self, cell: Cell, measured: dict[str, Any], seconds: float) -> None:
        """A cell's JSON. One that is not ok has no numbers; the times of one that is are still to come."""
        head = {
            "schema": SCHEMA, "protocol": protocol.VERSION, "suite": self.suite, "key": cell.key(self.settings),
            "code": code_of(cell), **cell.summary(),
        }  # fmt: skip
        defaults: dict[str, Any] = {**dict.fromkeys(MEASURED), "settings": self.settings.recorded()}
        if "environment" not in measured:
            defaults["environment"] = self.machine(self.settings.device)
        finished = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        ended = {"seconds": round(seconds, 3), "finished": finished}
        self.store.write(cell, {**head, **defaults, **measured, **ended})
        drop_empty_log(self.store.log_path(cell))

    def complete(self, cell: Cell, timing: dict[str, Any]) -> None:
        """Add a cell's times; a status in their place says why there are none, and takes the other numbers away."""
        stored = self.read(cell)
        if "status" in timing:
            return self.write(cell, timing, stored.seconds or 0.0)
        self.store.write(cell, completed(stored, timing))

    def read(self, cell: Cell) -> StoredCell:
        """A cell that is there."""
        stored = self.store.read(cell)
        assert stored is not None, f"{cell.model}/{cell.slug} was written before"
        return stored

    def status(self, cell: Cell, retry: Sequence[str]) -> str:
        """`new`: to be run; `untimed`: all but its times is there; else the status that it has.

        Raises InputError for a file that is damaged, or cannot be read.
        """
        state = self.store.state(cell)
        if state is None or state.key != cell.key(self.settings) or state.status in retry:
            return "new"
        return "untimed" if state.status == "ok" and not state.is_timed else state.status

    def set_damaged_aside(self, cells: Sequence[Cell]) -> None:
        """Keep files that are damaged under other names, and say so: their cells are run again.

        Raises OutputError where one cannot be read or moved.
        """
        for cell in cells:
            try:
                self.store.state(cell)
            except InputError as error:
                aside = self.store.set_aside(cell)
                why = error.__cause__ or error
                say(f"{why}; kept as {aside.name}, the cell is run again")

    def was_timed(self, cell: Cell) -> bool:
        """Whether a session holds times of this very cell that are not wanted any more, now that it is run again."""
        try:
            stored = self.store.read(cell)
        except InputError:
            return False
        return stored is not None and stored.key == cell.key(self.settings)


def label(cell: Cell) -> str:
    return f"{cell.model}/{cell.slug}"


def weight(cell: Cell) -> float:
    """Expected work, for the remaining time: steps, plus what every cell costs."""
    steps = cell.sampler.params.get("steps")
    return (steps if isinstance(steps, int) else UNKNOWN_STEPS) + 10.0


def largest_first(cells: Sequence[Cell]) -> list[Cell]:
    """Uncached cells, which others wait for, in the suite's order; then the cached ones with most work first.

    So the last that is at work alone is a short one. Plugins, whose work only their own process knows, keep theirs.
    """
    work = {cell: macs_of(cell) or 0 for cell in cells if cell.cache is not None}
    return sorted(cells, key=lambda cell: (cell.cache is not None, -work.get(cell, 0)))


def drop_empty_log(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()
