"""A process's part in a timing session: more rounds while any are wanted, then the times of the cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.measure.cell import finite
from bench.measure.outcome import Outcome
from bench.measure.task import LargestOrder, Reporter, SessionOrder
from bench.measure.timing.cell_timing import CellTimings
from bench.measure.timing.largest import LargestBatch
from bench.measure.timing.lineup import Lineup
from bench.measure.timing.session import SessionProcess
from bench.store.sessions import Session, read_session


def time_session(order: SessionOrder, reporter: Reporter) -> dict[str, Any]:
    """`timings` by slug of the cells in `order.work`, and the `environment`; null while more processes are wanted.

    A setting that was taken out has its status and reason in place of a timing. Raises InputError, OutputError.
    """
    session = read_session(Path(order.path))
    tasks = [task for task in order.tasks if task.cell.slug in session.settings]
    if not session.settings.keys() & order.work.keys():
        return {"timings": {slug: session.removed[slug] for slug in order.work}}

    def failed(slug: str, outcome: Outcome) -> None:
        session.remove(slug, *outcome)

    lineup = Lineup(tasks, failed, reporter.begins)
    lineup.plan()
    if not session.is_finished:
        SessionProcess(order, session, lineup, reporter).measure()
    return {"timings": timings(order, session, lineup, reporter) if session.is_finished else None}


def timings(order: SessionOrder, session: Session, lineup: Lineup, reporter: Reporter) -> dict[str, Any]:
    """Of every cell that is wanted. Each is announced, so that many rounds to work out are no silence."""
    made, found = CellTimings(session, lineup), {}
    for task in order.tasks:
        if task.cell.slug in order.work:
            reporter.begins(None)
            found[task.cell.slug] = finite(made.of(task, order.work[task.cell.slug]))
    return found


def time_largest(order: LargestOrder, reporter: Reporter) -> dict[str, Any]:
    """The cell's `largest`. Raises what the method raises."""
    errors: list[Outcome] = []
    lineup = Lineup([order.task], lambda slug, outcome: errors.append(outcome), reporter.begins)
    lineup.plan()
    if errors:
        return {"largest": {"batch": 0, "reason": errors[0][1]}}
    return {"largest": finite(LargestBatch(order, lineup).find(reporter))}
