"""A run: samples and quality of a suite's cells, side by side on all cores; then their times, one model at a time."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import plugins
from bench.cost.dry_run import macs_of
from bench.cost.suite_cost import cost_of, measured_rate
from bench.host.progress import Progress, duration
from bench.measure.samples.instruments import check_instruments
from bench.measure.task import Task
from bench.run import executors, rehearsal
from bench.run.child import Server
from bench.run.executor import ANYWHERE, Executor
from bench.run.kernels import settled
from bench.run.records import FAILURES, Records, label, largest_first, weight
from bench.run.request import On, RunFacts
from bench.run.scheduler import Scheduler
from bench.run.timing_phase import TimingPhase, seconds
from bench.store.directory import Store
from bench.suite import file as suite
from bench.suite.cells import Cell, Settings
from bench.suite.selection import select
from bench.suite.weights import find_weights, has_quality


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
    on: On | None = None,
) -> Finished:
    """Run what is not done yet, on the executor that `on` names; None: in `jobs` processes of this machine.

    `overrides`: see suite.load.
    """
    files = plugins.files(plugin_files)
    chosen, sound, broken = rehearsal.prepared(name, files, overrides)
    cells = select(chosen, only)
    store = Store(out if out is not None else Path("runs") / chosen.name)
    settings = settled(settings, store.directory)
    find_weights(cells, settings)
    folder, file = str(store.directory.resolve()), str(suite.find(name).resolve())
    facts = RunFacts(file, chosen.sha256, overrides or {}, tuple(sound), settings, folder, broken)
    with store.exclusive(), contextlib.closing(executor_of(on, jobs, facts, chosen)) as executor:
        store.open(chosen, settings, files)
        records = Records(store, chosen.name, settings, executor.machine)
        run = SuiteRun(chosen, cells, settings, records, sound, retry)
        run.everything(executor)
        statuses = tuple(run.records.status(cell, ()) for cell in cells)
        store.states.keep()
        return Finished(store.directory, statuses)


def executor_of(on: On | None, jobs: int, facts: RunFacts, chosen: suite.Suite) -> Executor:
    """Raises InputError where it cannot be had."""
    if on is None:
        return Server(facts.settings.threads, [ANYWHERE] * jobs)
    return executors.opened(on.or_else(chosen.options.get(on.name, {})), facts)


class SuiteRun:
    """The chosen cells of a suite in one directory, which is this run's alone."""

    def __init__(
        self,
        chosen: suite.Suite,
        cells: list[Cell],
        settings: Settings,
        records: Records,
        files: list[str],
        retry: list[str],
    ) -> None:
        self.chosen, self.cells, self.settings, self.records, self.files = chosen, cells, settings, records, files
        records.set_damaged_aside(cells)
        states = [(cell, records.status(cell, retry)) for cell in cells]
        records.store.states.keep()
        self.new = [cell for cell, state in states if state == "new"]
        self.untimed = [cell for cell, state in states if state == "untimed"]
        self.fresh = {cell.key(settings) for cell in self.new if records.was_timed(cell)}

    def everything(self, executor: Executor) -> None:
        """Both phases, as far as they are not done."""
        waiting = [*self.new, *self.untimed]
        counts = f"{len(self.cells)} cells, {len(self.cells) - len(waiting)} done, {len(waiting)} to run"
        without = lacking(self.new, self.settings) if self.new else {}
        print(f"{self.chosen.title}: {counts}", file=sys.stderr)
        if not waiting:
            return
        for model, reason in without.items():
            print(f"{model}: no distribution metrics: {reason}", file=sys.stderr)
        if self.new:
            print(self.cost(), file=sys.stderr)
        self.progress = Progress({label(cell): weight(cell) for cell in self.new}, seconds=seconds(waiting))
        try:
            self.sample(executor)
            self.time(executor)
        finally:
            self.progress.close()

    def cost(self) -> str:
        """What the cells to run will cost, at the rate of those that are done."""
        stored = [self.records.store.read(cell) for cell in self.cells]
        rate = measured_rate([result for result in stored if result is not None])
        return cost_of([(cell, macs_of(cell)) for cell in self.new]).sentence(rate, measured=True)

    def sample(self, executor: Executor) -> None:
        """Everything of the new cells but their times, side by side, each stored as it comes."""

        def finished(cell: Cell, measured: dict[str, Any], seconds: float) -> None:
            self.records.write(cell, measured, seconds)
            self.progress.finish(label(cell), f"{measured['status']} in {duration(seconds)}{self.why(cell, measured)}")

        def watch(cell: Cell, phase: str, share: float) -> None:
            self.progress.phase(label(cell), phase, share)

        Scheduler(executor).run([self.task(cell) for cell in largest_first(self.new)], finished, watch)

    def why(self, cell: Cell, measured: dict[str, Any]) -> str:
        """The reason of a cell that is not ok, with the log that says more: a traceback, or what was printed."""
        if not measured["reason"]:
            return ""
        log = self.records.store.log_path(cell)
        return f": {measured['reason']}" + (f" (log: {log})" if log.is_file() else "")

    def time(self, executor: Executor) -> None:
        """The times of all cells that have none yet."""
        untimed = [cell for cell in self.cells if self.records.status(cell, ()) == "untimed"]
        if untimed:
            TimingPhase(self.records, executor, self.progress, self.fresh).run([self.task(cell) for cell in untimed])

    def task(self, cell: Cell) -> Task:
        folder = str(self.records.store.directory.resolve())
        return Task(cell, self.chosen.references.get(cell.model), self.settings, folder, tuple(self.files))


def lacking(cells: list[Cell], settings: Settings) -> dict[str, str]:
    """Why distribution metrics will be missing, by model. Raises InputError where stated ones cannot be had."""
    return (
        check_instruments([cell for cell in cells if cell.protocol.samples], settings) if has_quality(settings) else {}
    )
