"""What a child process is told, and how it tells the parent what it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from bench.suite.cells import Cell, Settings


@dataclass(frozen=True)
class Task:
    """One cell: its samples, their quality, its plan, work and memory; with `ahead` its samples alone."""

    cell: Cell
    reference: Cell | None
    settings: Settings
    directory: str
    plugins: tuple[str, ...]
    share: Share | None = None  # make only this part of the cell's samples; None: measure the cell
    ahead: bool = False  # only sample: what the samples are compared with is not there yet


@dataclass(frozen=True)
class Share:
    """Of `of` workers' equal shares of the shards, the one with this number: every `of`-th shard."""

    number: int
    of: int


@dataclass(frozen=True)
class SessionOrder:
    """One more process of a timing session, whose file is `path`; the last one also works out the cells' times.

    `tasks` are one a setting. `work` is what is known of the work of the cells whose times are wanted, by slug.
    `headline` is the batch that the suite names first, at which energy and decoding are measured as well.
    """

    path: str
    tasks: tuple[Task, ...]
    work: dict[str, dict[str, Any]]
    headline: bool = True


@dataclass(frozen=True)
class LargestOrder:
    """Search the largest batch that a cell's method can run, and time the method there."""

    task: Task
    work: dict[str, Any]


class Reporter:
    """Tells the parent what the child is doing."""

    def __init__(self, pipe: connection.Connection) -> None:
        self.pipe = pipe

    def phase(self, name: str, fraction: float) -> None:
        self.pipe.send(("phase", name, fraction))

    def shared(self, name: str, fraction: float) -> None:
        """A phase of which all cells of the model have the use: until the next word it is not the cell's time."""
        self.pipe.send(("shared", name, fraction))

    def begins(self, slug: str | None) -> None:
        """The setting that runs from now on: who is to blame where nothing more is heard."""
        self.pipe.send(("setting", slug))


Job = Task | SessionOrder | LargestOrder


def task_of(job: Job) -> Task:
    """The cell that a job is about; of a session any one, since its settings have all but the cell in common."""
    match job:
        case SessionOrder():
            return job.tasks[0]
        case LargestOrder():
            return job.task
        case _:
            return job
