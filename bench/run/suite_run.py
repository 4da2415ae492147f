"""A run: a suite's cells through the scheduler into the store."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import plugins
from bench.cost.dry_run import macs_of
from bench.cost.suite_cost import cost_of, measured_rate
from bench.host.environment import environment
from bench.host.progress import Progress, duration
from bench.measure.samples.instruments import check_instruments
from bench.measure.task import Task
from bench.run.scheduler import Scheduler
from bench.schema.cell import MEASURED, SCHEMA
from bench.store.code_hash import code_of
from bench.store.directory import Store
from bench.suite import file as suite
from bench.suite import protocol
from bench.suite.cells import Cell, Settings
from bench.suite.selection import select
from bench.suite.weights import find_weights, has_quality

FAILURES = ("failed", "timeout", "oom")


@dataclass(frozen=True)
class Finished:
    """Where a run's results are, and how each of its cells ended."""

    directory: Path
    statuses: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether any cell failed; one that is unsupported did not."""
        return any(status in FAILURES for status in self.statuses)


def run_suite(
    name: str,
    out: str | None,
    only: str | None,
    retry: list[str],
    settings: Settings,
    plugin_files: list[str] | None,
    jobs: int,
    overrides: dict[str, dict[str, Any]] | None = None,
) -> Finished:
    """Run what is not done yet. `overrides`: see suite.load."""
    files = plugins.files(plugin_files)
    broken = plugins.load(files)
    for reason in broken.values():
        print(f"ditbench: {reason}", file=sys.stderr)
    chosen = suite.load(name, broken, overrides)
    cells = select(chosen, only)
    store = Store(out if out is not None else Path("runs") / chosen.name)
    find_weights(cells, settings)
    with store.exclusive():
        store.open(chosen, settings, files)
        done, waiting = split(store, cells, settings, retry)
        print(f"{chosen.title}: {len(cells)} cells, {len(done)} done, {len(waiting)} to run", file=sys.stderr)
        statuses = list(done)
        if waiting:
            check_quality(waiting, settings)
            print(cost_sentence(store, cells, waiting), file=sys.stderr)
            tasks = [task(chosen, cell, settings, store, files) for cell in waiting]
            statuses += execute(store, tasks, chosen, settings, jobs)
    return Finished(store.directory, tuple(statuses))


def check_quality(cells: list[Cell], settings: Settings) -> None:
    """Say before hours are spent which metrics will be missing. Raises InputError where stated ones cannot be had."""
    if has_quality(settings):
        for model, reason in check_instruments([cell for cell in cells if cell.protocol.samples], settings).items():
            print(f"{model}: no distribution metrics: {reason}", file=sys.stderr)


def split(store: Store, cells: list[Cell], settings: Settings, retry: list[str]) -> tuple[list[str], list[Cell]]:
    """The statuses of finished cells, and the cells to run. Raises InputError for a corrupt cell file."""
    done, waiting = [], []
    for cell in cells:
        stored = store.read(cell)
        if stored is None or stored.key != cell.key(settings) or stored.status in retry:
            waiting.append(cell)
        else:
            done.append(stored.status)
    return done, waiting


def cost_sentence(store: Store, cells: list[Cell], waiting: list[Cell]) -> str:
    """What the cells to run will cost, at the rate of those that are done."""
    stored = [store.read(cell) for cell in cells]
    rate = measured_rate([result for result in stored if result is not None])
    return cost_of([(cell, macs_of(cell)) for cell in waiting]).sentence(rate, measured=True)


def task(chosen: suite.Suite, cell: Cell, settings: Settings, store: Store, files: list[str]) -> Task:
    return Task(cell, chosen.references.get(cell.model), settings, str(store.directory.resolve()), tuple(files))


def execute(store: Store, tasks: list[Task], chosen: suite.Suite, settings: Settings, jobs: int) -> list[str]:
    """Run the tasks, storing each result as it comes; returns their statuses."""
    progress = Progress({label(t.cell): weight(t.cell) for t in tasks})
    statuses: list[str] = []
    constant = {"schema": SCHEMA, "protocol": protocol.VERSION, "suite": chosen.name}

    def finished(cell: Cell, measured: dict[str, Any], seconds: float) -> None:
        head = {**constant, "key": cell.key(settings), "code": code_of(cell), **cell.summary()}
        store.write(cell, complete(head, measured, seconds, settings))
        drop_empty_log(store.log_path(cell))
        statuses.append(measured["status"])
        reason = f": {measured['reason']}" if measured["reason"] else ""
        progress.finish(label(cell), f"{measured['status']} in {duration(seconds)}{reason}")

    try:
        Scheduler(jobs, settings.threads).run(
            tasks, finished, lambda cell, phase, share: progress.phase(label(cell), phase, share)
        )
    finally:
        progress.close()
    return statuses


def complete(head: dict[str, Any], measured: dict[str, Any], seconds: float, settings: Settings) -> dict[str, Any]:
    """The cell's JSON: a cell that is not ok has no numbers."""
    defaults: dict[str, Any] = {
        **dict.fromkeys(MEASURED),
        "settings": settings.recorded(),
    }
    if "environment" not in measured:
        defaults["environment"] = environment(settings.device)
    finished = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {**head, **defaults, **measured, "seconds": round(seconds, 3), "finished": finished}


def label(cell: Cell) -> str:
    return f"{cell.model}/{cell.slug}"


def weight(cell: Cell) -> float:
    """Expected work, for the remaining time: steps, plus what every cell costs."""
    steps = cell.sampler.params.get("steps")
    return (steps if isinstance(steps, int) else 50) + 10.0


def drop_empty_log(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()
