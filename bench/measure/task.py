"""What a child process is told, and how it tells the parent what it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import connection

from bench.suite.cells import Cell, Settings


@dataclass(frozen=True)
class Task:
    """What a child process is told."""

    cell: Cell
    reference: Cell | None
    settings: Settings
    directory: str
    plugins: tuple[str, ...]
    share: Share | None = None  # make only this part of the cell's samples; None: measure the cell


@dataclass(frozen=True)
class Share:
    """Of `of` workers' equal shares of the shards, the one with this number: every `of`-th shard."""

    number: int
    of: int


class Reporter:
    """Tells the parent what the cell is doing. Time spent waiting does not count against its timeout."""

    def __init__(self, pipe: connection.Connection) -> None:
        self.pipe = pipe

    def phase(self, name: str, fraction: float) -> None:
        self.pipe.send(("phase", name, fraction))

    def waiting(self, begins: bool) -> None:
        self.pipe.send(("waiting", begins))
