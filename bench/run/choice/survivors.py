"""What screening left, measured as any suite is: times in one session, and samples where a distance is asked for."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.host.files import write_bytes
from bench.quality.metrics.ode_error import ode_error
from bench.run.choice.decision import Setting
from bench.run.choice.goal import FD, Goal
from bench.run.choice.halving import Array
from bench.run.choice.suite_text import suite_text
from bench.run.suite_run import run_suite
from bench.statistics.interval import Interval
from bench.statistics.jackknife import paired_difference
from bench.store.directory import Store
from bench.store.sessions import Session, read_sessions, session_ratio
from bench.store.stored_cell import StoredCell
from bench.suite.cells import Cell, Settings
from bench.suite.protocol import Protocol
from models.errors import InputError

TIMED = 16  # most settings of the session, the reference among them
ROUNDS, SECONDS = 20, 5.0  # of the session: most rounds, and seconds a setting
SAMPLING_BATCH = 32


@dataclass(frozen=True)
class Measured:
    """Survivors' cells and sessions, by slug; `failed`: those that have no number, and why."""

    reference: str
    cells: dict[str, StoredCell]
    sessions: dict[str, Session]
    failed: dict[str, str]

    def ratio(self, above: str, below: str) -> Interval:
        """Times of one over another's, paired in rounds."""
        if above == below:
            return Interval(1.0, 1.0, 1.0)
        interval = session_ratio(self.sessions[above], above, self.sessions[below], below)
        return Interval(interval["median"], interval["low"], interval["high"])

    def above(self, slug: str) -> Interval:
        """How far a setting's Fréchet distance is above the reference's, as a fraction of that, without bias."""
        if slug == self.reference:
            return Interval(0.0, 0.0, 0.0)
        one, other = self.cells[slug].quality, self.cells[self.reference].quality
        values = one.numbers["fd"], other.numbers["fd"]
        gap = paired_difference(one.replicates["fd"], other.replicates["fd"], values)
        whole = other.numbers["fd_corrected"]
        if not whole > 0:
            raise InputError(f"choose: the Fréchet distance of {self.reference} is {whole:g}: no share of it is known")
        return Interval(gap.corrected / whole, gap.low / whole, gap.high / whole)


def protocol(rules: Protocol, goal: Goal, samples: int) -> Protocol:
    """Of the survivors' suite: no samples where only times are wanted."""
    timing = replace(rules.timing, rounds=ROUNDS, seconds=SECONDS)
    return replace(rules, samples=samples if goal.kind == FD else 0, sampling_batch=SAMPLING_BATCH, timing=timing)


@contextmanager
def measured(
    cells: Sequence[Cell], reference: Cell, settings: Settings, plugins: list[str], jobs: int
) -> Iterator[Measured]:
    """Run the suite of these cells in a folder that is gone afterwards. Raises InputError where the reference fails."""
    # A child that is being killed may still write: an interrupted run says that it was, not that a folder is in use.
    with tempfile.TemporaryDirectory(prefix="ditbench-choose-", ignore_cleanup_errors=True) as folder:
        file, out = Path(folder, "choose.toml"), Path(folder, "results")
        write_bytes(file, suite_text(cells, reference).encode())
        run_suite(str(file), str(out), None, [], settings, plugins, jobs)
        yield read(cells, reference, out)


def read(cells: Sequence[Cell], reference: Cell, out: Path) -> Measured:
    store, sessions = Store(out), read_sessions(out)
    stored_cells = {cell.slug: stored for cell in cells if (stored := store.read(cell)) is not None}
    ok = {slug: cell for slug, cell in stored_cells.items() if cell.is_ok}
    failed = {slug: f"{cell.status}: {cell.reason}" for slug, cell in stored_cells.items() if not cell.is_ok}
    if reference.slug not in ok:
        raise InputError(f"choose: the reference {reference.slug} cannot be measured: {failed.get(reference.slug)}")
    of = {slug: session for session in sessions for slug in session.settings}
    return Measured(reference.slug, ok, of, failed)


def settings_of(measured: Measured, errors: dict[str, Array], resolution: float, goal: Goal) -> list[Setting]:
    """Every survivor that was measured, with its intervals."""
    listed = []
    for slug, cell in measured.cells.items():
        exact = ode_error(errors[slug], resolution)
        error = Interval(exact["ode_error"], exact["ode_error_low"], exact["ode_error_high"])
        above = measured.above(slug) if goal.kind == FD else None
        speedup = measured.ratio(measured.reference, slug)
        if math.isfinite(speedup.value):
            listed.append(Setting(slug, cell.method, speedup, error, above))
    return listed
