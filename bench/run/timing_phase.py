"""The second half of a run: nothing is sampled any more, and the settings of each model are timed side by side."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from bench.host.progress import Progress, duration
from bench.measure.task import LargestOrder, SessionOrder, Task
from bench.run.executor import MACHINE, Executor
from bench.run.records import Records, label
from bench.run.session_run import SessionRun, Timings
from bench.store.sessions import Session, holding, new_session, sound_sessions
from bench.suite import protocol
from bench.suite.cells import Cell


class TimingPhase:
    """`fresh` are the keys of cells that are timed anew although a session has their times."""

    def __init__(self, records: Records, executor: Executor, progress: Progress, fresh: Collection[str]) -> None:
        self.records, self.executor, self.progress, self.fresh = records, executor, progress, frozenset(fresh)
        machine = executor.machine(records.settings.device)
        self.machine = records.settings.recorded() | {name: machine.get(name) for name in MACHINE}

    def run(self, tasks: Sequence[Task]) -> None:
        """Time all of these cells, whose other numbers are stored, and complete them. Raises OutputError."""
        for model in dict.fromkeys(task.cell.model for task in tasks):
            self.time_model([task for task in tasks if task.cell.model == model])

    def time_model(self, tasks: list[Task]) -> None:
        """All batches of one model's cells."""
        name, started = session_name(tasks[0].cell.model), time.monotonic()
        self.runner = SessionRun(self.executor, lambda phase, done: self.progress.phase(name, phase, done))
        rules = tasks[0].cell.protocol.timing
        timings = self.at_batch(rules.batch, tasks, headline=True)
        sound = [task for task in tasks if "status" not in timings[task.cell.slug]]
        more = {batch: self.at_batch(batch, sound, headline=False) for batch in rules.more_batches}
        for task in tasks:
            self.complete(task, timings, more, rules.largest)
        said = f"{len(sound)} of {len(tasks)} settings in {duration(time.monotonic() - started)}"
        self.progress.follow(name, said)

    def complete(self, task: Task, timings: Timings, more: dict[int, Timings], largest: bool) -> None:
        """Put together what was measured of one cell, and store it."""
        slug = task.cell.slug
        timing = timings[slug]
        if "status" in timing:
            self.progress.line(f"{label(task.cell)}: {timing['status']} while it was timed: {timing['reason']}")
            return self.records.complete(task.cell, timing)
        batches = [entry_of(batch, entries[slug]) for batch, entries in more.items()]
        largest_batch = self.runner.largest(LargestOrder(task, self.work(task))) if largest else None
        self.records.complete(task.cell, {**timing, "batches": batches, "largest": largest_batch})

    def at_batch(self, batch: int, tasks: list[Task], headline: bool) -> Timings:
        """The timing of every cell at one batch, from the sessions that hold them already, and from a new one."""
        made: Timings = {}
        for session, members in self.sessions(batch, tasks):
            timings = self.runner.timings(self.order(session, members, headline))
            for task in members:
                made[task.cell.slug] = self.apart(task, batch, session, timings[task.cell.slug], headline)
        return made

    def apart(self, task: Task, batch: int, session: Session, timing: dict[str, Any], headline: bool) -> dict[str, Any]:
        """`timing`; of a setting that ran out of memory beside others, that of a session beside its own roots alone."""
        cells = {task.cell.slug, *(root.cell.slug for root in roots([task]))}
        if timing.get("status") != "oom" or session.members.keys() <= cells:
            return timing
        alone = self.new(batch, [task])
        return self.runner.timings(self.order(alone, [task], headline))[task.cell.slug]

    def sessions(self, batch: int, tasks: list[Task]) -> list[tuple[Session, list[Task]]]:
        """Every session that is to be gone on with or made, and the cells whose times are wanted of it."""
        known = list(sound_sessions(self.records.store.directory))
        opened: dict[str, tuple[Session, list[Task]]] = {}
        rest = []
        for task in tasks:
            key = task.cell.key(task.settings)
            session = None if key in self.fresh else holding(known, key, batch, self.machine)
            if session is None:
                rest.append(task)
            else:
                opened.setdefault(session.id, (session, []))[1].append(task)
        for session, members in opened.values():
            if not session.is_finished:  # what this run does not want of it is another one's
                session.narrow({task.cell.slug for task in (*members, *roots(members))})
        return [*opened.values(), *([(self.new(batch, rest), rest)] if rest else [])]

    def new(self, batch: int, tasks: list[Task]) -> Session:
        """A session of these cells and of what they are compared with."""
        everything = [*roots(tasks), *tasks]
        repeated = [task.cell.slug for task in roots(tasks)] or [tasks[0].cell.slug]
        reference = tasks[0].reference
        number = 0
        while True:
            session = new_session(
                self.records.store.directory,
                {task.cell.slug: task.cell.key(task.settings) for task in everything},
                model=tasks[0].cell.model,
                batch=batch,
                protocol=protocol.VERSION,
                reference=reference.slug if reference else None,
                repeated=repeated,
                machine=self.machine,
                number=number,
            )
            if not session.path.exists():
                session.write()
                return session
            number += 1

    def order(self, session: Session, tasks: list[Task], headline: bool) -> SessionOrder:
        work = {task.cell.slug: self.work(task) for task in tasks}
        others = [task for task in roots(tasks) if task.cell.slug not in work]
        return SessionOrder(str(session.path.resolve()), (*others, *tasks), work, headline)

    def work(self, task: Task) -> dict[str, Any]:
        return asdict(self.records.read(task.cell).work)


def roots(tasks: Sequence[Task]) -> list[Task]:
    """What cells are compared with: the suite's reference, and every cached cell's sampler uncached; each once.

    A library's cached cell has two uncached runs beside it, ours and the library's own.
    """
    first: dict[str, Task] = {}
    for task in tasks:
        baseline = task.cell.baseline if task.cell.has_baseline else None
        for cell in (task.reference, baseline, task.cell.own_baseline):
            if cell is not None:
                first.setdefault(cell.slug, Task(cell, task.reference, task.settings, task.directory, task.plugins))
    return list(first.values())


def entry_of(batch: int, timing: dict[str, Any]) -> dict[str, Any]:
    """A batch beyond the headline: one that does not fit is a result."""
    if "status" not in timing:
        return timing
    return {"batch": batch, "reason": "out of memory" if timing["status"] == "oom" else timing["reason"]}


def session_name(model: str) -> str:
    return f"timing {model}"


def seconds(cells: Sequence[Cell]) -> dict[str, float]:
    """How long each model's timing may take, about: for the remaining time."""
    spent: dict[str, float] = {}
    for cell in cells:
        rules = cell.protocol.timing
        name = session_name(cell.model)
        spent[name] = spent.get(name, 0.0) + rules.seconds * (1 + len(rules.more_batches) + rules.largest)
    return spent
