"""Runs cells on an executor's workers, as many side by side as it has, each with a hard time limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.measure.task import Task, task_of
from bench.run.executor import Executor, Running
from bench.suite.cells import Cell
from bench.suite.weights import has_quality

Finished = Callable[[Cell, dict[str, Any], float], None]
Watch = Callable[[Cell, str, float], None]
Name = tuple[str, str]


class Scheduler:
    """`run` gives every task to a process of its own, wherever the executor starts it."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.children: list[Running] = []
        self.ahead: dict[Name, float] = {}  # cells that were sampled ahead of what they are compared with: seconds

    def run(self, tasks: list[Task], finished: Finished, watch: Watch) -> None:
        """Run all; `finished(cell, result, seconds)` for each as it ends, `watch(cell, phase, fraction)` meanwhile.

        A cell waits for the uncached cell and the reference that it is compared with; where nothing else is to do,
        its own samples are made meanwhile. Raises OutputError where a child cannot write; whatever ends this call, no
        child outlives it.
        """
        pending = list(tasks)
        try:
            while pending or self.children:
                self._start_ready(pending)
                self._listen(watch)
                for child in [c for c in self.children if c.result is not None]:
                    self.children.remove(child)
                    self._take(child, pending, finished)
        finally:
            for child in self.children:
                child.kill()
            self.children.clear()

    def _start_ready(self, pending: list[Task]) -> None:
        for ahead in (False, True):
            for task in list(pending):
                if len(self.children) >= self.executor.slots:
                    return
                if not ahead and not self._waits(task, pending):
                    pending.remove(task)
                    self.children.append(self.executor.start(task))
                if ahead and self._may_run_ahead(task):
                    self.children.append(self.executor.start(replace(task, ahead=True)))

    def _waits(self, task: Task, pending: list[Task]) -> bool:
        """Whether what the task is compared with is unfinished, or the task itself is at work ahead of it."""
        busy = {_name(task_of(child.job)) for child in self.children}
        return bool(_needs(task) & (busy | {_name(t) for t in pending})) or _name(task) in busy

    def _may_run_ahead(self, task: Task) -> bool:
        busy = {_name(task_of(child.job)) for child in self.children}
        samples = task.cell.protocol.samples > 0 and has_quality(task.settings) and not task.cell.broken
        return samples and task.share is None and _name(task) not in busy | self.ahead.keys()

    def _take(self, child: Running, pending: list[Task], finished: Finished) -> None:
        """A cell's result; one that was only sampled ahead is still pending, unless that failed."""
        task, result = task_of(child.job), child.result or {}
        seconds = child.seconds + self.ahead.get(_name(task), 0.0)
        if task.ahead:
            self.ahead[_name(task)] = seconds
            if result["status"] == "ok":
                return
            pending.remove(replace(task, ahead=False))
        finished(task.cell, result, seconds)

    def _listen(self, watch: Watch) -> None:
        """Wait for the next message, end or time limit."""
        self.executor.wait(self.children, timeout=1.0)
        for child in self.children:
            for kind, *rest in child.messages():
                if kind == "phase":
                    watch(task_of(child.job).cell, *rest)
            child.hold_to_limit()


def _name(task: Task) -> Name:
    return task.cell.model, task.cell.slug


def _needs(task: Task) -> set[Name]:
    """The cells whose samples this one is compared with."""
    cell, needs = task.cell, set()
    if cell.has_baseline:
        needs.add((cell.model, cell.baseline.slug))
    if task.reference is not None and task.reference.slug != cell.slug:
        needs.add((task.reference.model, task.reference.slug))
    return needs
