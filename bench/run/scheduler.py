"""Runs cells in child processes, some side by side, each with a hard time limit."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from bench.host.files import OutputError
from bench.measure.task import Task
from bench.run import worker
from bench.suite.cells import Cell

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
EXIT_SECONDS = 5.0
Finished = Callable[[Cell, dict[str, Any], float], None]
Watch = Callable[[Cell, str, float], None]


@dataclass
class Child:
    """A cell at work. Its clock stands still while it waits for others to finish timing."""

    cell: Cell
    process: Any
    pipe: connection.Connection
    spent: float = 0.0
    since: float | None = None  # None while waiting
    result: dict[str, Any] | None = None

    def clock(self) -> float:
        return self.spent + (0.0 if self.since is None else time.monotonic() - self.since)

    def wait(self, begins: bool) -> None:
        self.spent = self.clock()
        self.since = None if begins else time.monotonic()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a group once it has started
        self.process.kill()
        self.process.join()


class Scheduler:
    """`run` gives every task to a process of its own, forked from a server that has torch imported."""

    def __init__(self, jobs: int, threads: int) -> None:
        for name in THREAD_VARIABLES:
            os.environ[name] = str(threads)  # read by the libraries when the fork server imports them
        self.jobs = jobs
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["bench.run.worker"])
        self.children: list[Child] = []

    def run(self, tasks: list[Task], finished: Finished, watch: Watch) -> None:
        """Run all; `finished(cell, result, seconds)` for each as it ends, `watch(cell, phase, fraction)` meanwhile.

        A cell waits for the uncached cell and the reference that it is compared with. Raises OutputError where
        a child cannot write; whatever ends this call, no child outlives it.
        """
        pending = list(tasks)
        try:
            while pending or self.children:
                self._start_ready(pending)
                self._listen(watch)
                for child in [c for c in self.children if c.result is not None]:
                    self.children.remove(child)
                    finished(child.cell, child.result or {}, child.clock())
        finally:
            for child in self.children:
                child.kill()
            self.children.clear()

    def _start_ready(self, pending: list[Task]) -> None:
        for task in list(pending):
            if len(self.children) >= self.jobs:
                return
            unfinished = {_name(t.cell) for t in pending} | {_name(c.cell) for c in self.children}
            if not (_needs(task) & unfinished):
                pending.remove(task)
                self.children.append(self._start(task))

    def _start(self, task: Task) -> Child:
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=worker.main, args=(task, theirs), daemon=True)
        process.start()
        theirs.close()
        return Child(task.cell, process, ours, since=time.monotonic())

    def _listen(self, watch: Watch) -> None:
        """Wait for the next message, end or time limit."""
        left = min(c.cell.protocol.timeout - c.clock() for c in self.children)
        connection.wait([c.pipe for c in self.children], timeout=min(1.0, max(0.0, left)))
        for child in self.children:
            self._drain(child, watch)
            if child.result is None and child.clock() > child.cell.protocol.timeout:
                child.kill()
                limit = f"stopped after {child.cell.protocol.timeout:g} s, the suite's timeout"
                child.result = {"status": "timeout", "reason": limit}

    def _drain(self, child: Child, watch: Watch) -> None:
        """Take in every message that has come; a pipe that closes without a result is a crash."""
        try:
            while child.result is None and child.pipe.poll():
                kind, *rest = child.pipe.recv()
                if kind == "phase":
                    watch(child.cell, *rest)
                elif kind == "waiting":
                    child.wait(*rest)
                elif kind == "output error":
                    raise OutputError(rest[0])
                else:
                    child.result = rest[0]
                    child.process.join(timeout=EXIT_SECONDS)  # a method's own threads may keep it
                    child.kill()
        except (EOFError, ConnectionError):
            child.process.join()
            child.result = crash(child.process.exitcode)


def crash(code: int | None) -> dict[str, Any]:
    """The result of a process that ended without one."""
    if code is None or code >= 0:
        return {"status": "failed", "reason": f"the process ended with code {code} before it had a result"}
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if -code == signal.SIGKILL:
        return {"status": "oom", "reason": "killed by SIGKILL, which is what the system sends when memory runs out"}
    return {"status": "failed", "reason": f"the process was killed by {name}"}


def _name(cell: Cell) -> tuple[str, str]:
    return cell.model, cell.slug


def _needs(task: Task) -> set[tuple[str, str]]:
    """The cells whose samples this one is compared with."""
    cell, needs = task.cell, set()
    if cell.cache is not None:
        needs.add(_name(cell.baseline))
    if task.reference is not None and _name(task.reference) != _name(cell):
        needs.add(_name(task.reference))
    return needs
