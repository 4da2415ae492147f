"""One job that a worker elsewhere is at, as the driver sees it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from bench.host.files import OutputError, write_json
from bench.measure.task import Job
from bench.run.executor import Message, Running
from bench.run.remote.letters import Letters, present, read
from bench.run.remote.orders import job_to_json
from models.errors import InputError

MAX_LOSSES = 3  # workers that an order may cost without getting further


class Order(Running):
    """`letters` are of the worker that has it; None while nobody has. A worker holds its cells to the suite's limit."""

    def __init__(self, job: Job) -> None:
        self.job, self.letters, self.number = job, None, 0
        self.result: dict[str, Any] | None = None
        self.losses, self.furthest, self.reached = 0, 0.0, 0.0
        self.spent = 0.0

    letters: Letters | None

    @property
    def seconds(self) -> float:
        return self.spent

    def give(self, letters: Letters, number: int, environment: dict[str, Any]) -> None:
        """Send it to a worker."""
        self.letters, self.number, self.read, self.environment = letters, number, 0, environment
        write_json(letters.order(number), job_to_json(self.job))

    def lose(self, environment: dict[str, Any]) -> None:
        """Its worker is gone. What does not get any further with one worker after the other has failed."""
        self.kill()
        self.letters = None
        self.losses = 1 if self.reached > self.furthest else self.losses + 1
        self.furthest = max(self.furthest, self.reached)
        if self.losses >= MAX_LOSSES:
            reason = f"its worker ended {self.losses} times at it, without getting further"
            self.result = {"status": "failed", "reason": reason, "environment": environment}

    def has_news(self) -> bool:
        if self.result is not None:
            return True
        if self.letters is None:
            return False
        with contextlib.suppress(OSError):
            if self.letters.messages(self.number).stat().st_size > self.read:
                return True
        return bool(present(self.letters.answer(self.number)))

    def messages(self) -> Iterator[Message]:
        """As Running says. Raises InputError where the worker's weights, plugins or routers are other ones."""
        if self.letters is None or self.result is not None:
            return
        answer = read(self.letters.answer(self.number))
        for line in self.lines(self.letters):
            message = tuple(json.loads(line))
            if message[0] == "phase":
                self.reached = max(self.reached, message[2])
            yield message
        if answer is not None:
            self.end(answer)

    def lines(self, letters: Letters) -> list[bytes]:
        """Whole lines that were added since the last call."""
        try:
            with letters.messages(self.number).open("rb") as file:
                file.seek(self.read)
                whole = file.read().rpartition(b"\n")[0]
        except OSError:
            return []
        self.read += len(whole) + 1 if whole else 0
        return whole.splitlines()

    def end(self, answer: dict[str, Any]) -> None:
        if "refused" in answer:
            raise InputError(f"a worker is not what the driver is: {answer['refused']}")
        if "output error" in answer:
            raise OutputError(answer["output error"])
        self.spent = answer["seconds"]
        self.result = {"environment": self.environment, **answer["result"]}

    def hold_to_limit(self) -> None:
        """Its worker does."""

    def kill(self) -> None:
        """A worker whose order is gone ends what it does for it."""
        if self.letters is not None and self.result is None:
            with contextlib.suppress(OSError):
                self.letters.order(self.number).unlink()
