"""Workers that only wait, on a clock that nobody waits for: an executor for a run's scheduler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.measure.task import Job, task_of
from bench.run.executor import Executor, Message, Running
from bench.store.stored_cell import Name


@dataclass
class Order(Running):
    """A job that is over when the clock says `end`."""

    job: Job
    begin: float
    end: float
    result: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        return self.end - self.begin

    def messages(self) -> Iterator[Message]:
        return iter(())

    def hold_to_limit(self) -> None:
        """It has none."""

    def kill(self) -> None:
        """Nothing runs."""


class Workers(Executor):
    """`seconds` of every cell, of which the share `ahead` can be spent before what it is compared with is there.

    `answer` seconds pass after each order until its worker has another one.
    """

    def __init__(self, count: int, seconds: Mapping[Name, float], ahead: float, answer: float) -> None:
        self.count, self.cells, self.ahead, self.answer = count, seconds, ahead, answer
        self.now = 0.0
        self.sampled: set[Name] = set()

    @property
    def slots(self) -> int:
        return self.count

    def start(self, job: Job) -> Order:
        task = task_of(job)
        name = (task.cell.model, task.cell.slug)
        share = self.ahead if task.ahead else 1 - self.ahead if name in self.sampled else 1.0
        if task.ahead:
            self.sampled.add(name)
        return Order(job, self.now, self.now + share * self.cells[name] + self.answer)

    def wait(self, running: Sequence[Any], timeout: float) -> None:
        """The clock jumps to the next end."""
        self.now = min(order.end for order in running)
        for order in running:
            if order.end <= self.now:
                order.result = {"status": "ok"}

    def machine(self, device: str) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Nothing runs."""
