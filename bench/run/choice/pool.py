"""Processes that sample side by side; one that crashes or hangs costs the setting that it was at, and no other."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing import connection
from typing import Any

from bench.measure.task import Task
from bench.run.child import Server, crash
from bench.run.choice import sampling
from bench.run.choice.sampling import Answer, Request


class Pool:
    """`jobs` processes, started when they are needed. Whatever ends the `with` block, none outlives it."""

    def __init__(self, task: Task, jobs: int, timeout: float) -> None:
        self.task, self.jobs, self.timeout = task, jobs, timeout
        self.server = Server(task.settings.threads)
        self.idle: list[Worker] = []
        self.busy: list[Worker] = []
        self.processor = 0.0  # seconds that all answers cost together

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in (*self.idle, *self.busy):
            worker.kill()

    def run(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer]]:
        """Every request with its answer, as they come."""
        waiting = deque(requests)
        while waiting or self.busy:
            while waiting and len(self.busy) < self.jobs:
                worker = self.idle.pop() if self.idle else Worker(self.server.context, self.task)
                self.busy.append(worker)
                worker.give(waiting.popleft())
            ends = [end for worker in self.busy for end in (worker.pipe, worker.process.sentinel)]
            connection.wait(ends, timeout=1.0)
            for worker in list(self.busy):
                answer = worker.answer(self.timeout)
                if answer is not None:
                    self.busy.remove(worker)
                    self.idle += [worker] * worker.alive
                    self.processor += answer.processor
                    assert worker.request is not None
                    yield worker.request, answer


class Worker:
    """One process. `alive` until it crashed or was stopped."""

    def __init__(self, context: Any, task: Task) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=sampling.main, args=(task, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.alive, self.started = True, time.monotonic()
        self.request: Request | None = None

    def give(self, request: Request) -> None:
        self.request, self.started = request, time.monotonic()
        with contextlib.suppress(ConnectionError):  # it died while idle: `answer` says so
            self.pipe.send(request)

    def answer(self, timeout: float) -> Answer | None:
        """None while it is at work. A process that has ended is at none, whoever else holds its pipe."""
        over = bool(connection.wait([self.process.sentinel], timeout=0))  # before the last look at what it said
        try:
            if self.pipe.poll():
                return self.pipe.recv()
            if over:
                raise EOFError
        except (EOFError, ConnectionError):
            self.process.join(timeout=5.0)
            self.kill()
            return Answer(reason=crash(self.process.exitcode)["reason"])
        if time.monotonic() - self.started > timeout:
            self.kill()
            return Answer(reason=f"stopped after {timeout:g} s")
        return None

    def kill(self) -> None:
        self.alive = False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a group once it has started
        self.process.kill()
        self.process.join()
