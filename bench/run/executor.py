"""What runs the jobs of a run: one interface for this machine's processes, a cluster's jobs and whoever brings more.

A file in bench/run/executors/ is an executor that `--on NAME` finds; it says HELP and `opened(request)`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.measure.task import Job

MACHINE = ("cpu", "cpu_model", "gpu", "torch", "allocator")  # of an environment: what makes times another machine's
Message = tuple[Any, ...]  # ("phase", name, fraction) or ("setting", slug)


@dataclass(frozen=True)
class Place:
    """Where on a machine a job runs: on one GPU, on one core, or anywhere."""

    gpu: str | None = None  # as CUDA_VISIBLE_DEVICES names it; the job knows it as `cuda`
    core: int | None = None

    def settle(self) -> None:
        """Bring this process there. Must be called before torch has looked for GPUs."""
        if self.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})


ANYWHERE = Place()


class Running(ABC):
    """A job at work. `result` is None until it has ended, however it ended; `seconds` is what it took so far."""

    job: Job
    result: dict[str, Any] | None

    @property
    @abstractmethod
    def seconds(self) -> float: ...

    @abstractmethod
    def messages(self) -> Iterator[Message]:
        """Every message that has come since the last call. Raises OutputError where the job cannot write."""

    @abstractmethod
    def hold_to_limit(self) -> None:
        """End it, with its result, where it takes longer than the suite allows."""

    @abstractmethod
    def kill(self) -> None:
        """End it, whatever it does; nothing of it is left running."""


class Executor(ABC):
    """Starts jobs. Whoever opens one closes it, and then nothing of it is left running."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many jobs may be at work side by side; it may change while a run goes on."""

    @abstractmethod
    def start(self, job: Job) -> Running:
        """Begin a job. A job that times must be started while no other is at work."""

    @abstractmethod
    def wait(self, running: Sequence[Running], timeout: float) -> None:
        """Return when one of these may have something to say, or has run too long; after `timeout` s at the latest."""

    @abstractmethod
    def machine(self, device: str) -> dict[str, Any]:
        """The environment (bench/host/environment.py) of the machine on which the jobs that time run."""

    @abstractmethod
    def close(self) -> None:
        """End all that still runs."""
