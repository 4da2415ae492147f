"""A session's settings in a process of their own: one model, loaded once, and a trajectory for each setting."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Sequence

from bench.measure.outcome import Outcome, outcome_of
from bench.measure.task import Task
from bench.measure.timing.batch_search import release
from bench.measure.timing.contenders import Contender, build_model, contender_of, inputs, prepared, trajectory
from bench.measure.timing.rounds import Call
from methods.plan import Plan
from models.denoiser import Denoiser
from models.errors import InputError


class Lineup:
    """Contenders by slug. One that raises, whatever it raises, is handed to `failed` and left out.

    `begins` hears of each before any of its code runs. Every setting sees the model through a copy that shares weights
    and sublayers, so that a method that puts something in the model's place does so for itself alone.
    """

    def __init__(
        self, tasks: Sequence[Task], failed: Callable[[str, Outcome], None], begins: Callable[[str | None], None]
    ) -> None:
        self.tasks = {task.cell.slug: task for task in tasks}
        self.first, self._failed, self.begins = tasks[0], failed, begins
        self.model = build_model(tasks[0])
        self.views: dict[str, Denoiser] = {}
        self.contenders: dict[str, Contender] = {}

    def plan(self) -> None:
        """Make every setting's plan."""
        for slug in list(self.tasks):
            self._try(slug, self._plan)

    def calls(self, batch: int) -> dict[str, Call]:
        """Every setting's trajectory at one batch."""
        calls: dict[str, Call] = {}
        for slug in list(self.tasks):
            self._try(slug, lambda slug: calls.update({slug: self.trajectory(slug, batch)}))
        return calls

    def trajectory(self, slug: str, batch: int) -> Call:
        return trajectory(self.tasks[slug], self.views[slug], self.contenders[slug], batch)

    def taken(self, slug: str, batch: int) -> Plan:
        """The plan that a trajectory takes: of a policy's setting one is run, as it decides on the way.

        A policy that fails in it has been timed already: its plan is then the one before anything was decided.
        """
        task, view, contender = self.tasks[slug], self.views[slug], self.contenders[slug]
        if contender.engine is not None or contender.plan.policy is None:
            return contender.plan
        try:
            run = prepared(task.cell.model, view, contender, batch, task.settings.execution)
            run(*inputs(task, view, batch))
            return run.taken()
        except Exception as error:  # a method may raise anything
            traceback.print_exception(error)
            return contender.plan

    def failed(self, slug: str, error: BaseException) -> None:
        """Leave a setting out."""
        traceback.print_exception(error)  # the log keeps it
        self.tasks.pop(slug, None)
        self._failed(slug, outcome_of(error))
        release()

    def _try(self, slug: str, action: Callable[[str], object]) -> None:
        self.begins(slug)
        try:
            action(slug)
        except BaseException as error:  # a method may raise anything, SystemExit too
            self.failed(slug, error)

    def _plan(self, slug: str) -> None:
        task, view = self.tasks[slug], copy.copy(self.model)
        if task.cell.broken:
            raise InputError(task.cell.broken)
        self.views[slug], self.contenders[slug] = view, contender_of(task.cell, view)
