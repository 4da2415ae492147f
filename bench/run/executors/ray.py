"""Ray: every worker is a task of a cluster that runs, or of one that is started on this machine for the run."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

from bench.run.executor import Executor
from bench.run.remote.fleet import Fleet
from bench.run.request import On, RunFacts
from models.errors import InputError

HERE = False
HELP = "ray:N,address=A tasks of a Ray cluster (default: that of RAY_ADDRESS or `ray start`, else one is started)"
OPTIONS = ("address",)
ANSWER = 20.0  # seconds in which the machine of a cluster takes a connection


def check(on: On) -> None:
    on.expect_options(OPTIONS)
    on.expect_count()


def opened(on: On, facts: RunFacts) -> Executor:
    check(on)
    try:
        import ray
    except ImportError:
        raise InputError("--on ray needs ray: pip install 'ditbench[ray]'") from None
    connect(ray, on.options.get("address") or os.environ.get("RAY_ADDRESS"))
    tasks = Tasks(ray, gpus=int(facts.settings.device != "cpu"), cpus=facts.settings.threads)
    return Fleet(facts, tasks, on.count or tasks.room())


def connect(ray: Any, address: str | None) -> None:
    """Without an address: to the cluster that `ray start` has left for all, else to one of our own.

    Ray's `address="auto"` would also take another run's own cluster, which ends with that run. Raises InputError where
    there is no cluster at a stated address.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    os.environ.setdefault("RAY_worker_niceness", "0")  # of a cluster of our own: or others' work slows the timed, at 15
    if address:
        expect_answer(address)
    with own_handler():
        try:
            ray.init(address=address, include_dashboard=False, **quiet)
        except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            if address:
                raise InputError(f"--on ray: no cluster at {address}: {' '.join(str(error).split())[:200]}") from None
            ray.init(address="local", include_dashboard=False, **quiet)  # what `ray start` has left is over


def expect_answer(address: str) -> None:
    """Raise InputError where nobody is at HOST:PORT: Ray would try for minutes, and print what it thinks of it."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if "/" in host or not (port.isascii() and port.isdigit()):
        return  # auto, local, or what Ray itself refuses at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(f"--on ray: no cluster at {address}: {getattr(error, 'strerror', None) or error}") from None


@contextlib.contextmanager
def own_handler() -> Iterator[None]:
    """Ray takes SIGTERM for itself and would end this process with another exit code; it gets it back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:  # Ray's own answer to SIGTERM
        raise KeyboardInterrupt from None
    finally:
        if threading.current_thread() is threading.main_thread():  # elsewhere Ray leaves it alone
            signal.signal(signal.SIGTERM, before)


class Tasks:
    """A launcher (bench/run/remote/fleet.py). A task is subprocess.call of a command line: none of ours is pickled."""

    def __init__(self, ray: Any, gpus: int, cpus: int) -> None:
        self.ray, self.gpus, self.cpus = ray, gpus, cpus
        self.function = ray.remote(num_gpus=gpus, num_cpus=cpus, max_retries=0)(subprocess.call)

    def room(self) -> int:
        """How many workers the cluster holds."""
        resources = self.ray.cluster_resources()
        return max(1, int(resources.get("GPU", 0) if self.gpus else resources.get("CPU", 1) // self.cpus))

    def launch(self, command: list[str]) -> Task:
        return Task(self.ray, self.function.remote(command))

    def close(self) -> None:
        self.ray.shutdown()


class Task:
    def __init__(self, ray: Any, reference: Any) -> None:
        self.ray, self.reference = ray, reference

    def done(self) -> bool:
        return bool(self.ray.wait([self.reference], timeout=0)[0])

    def cancel(self) -> None:
        self.ray.cancel(self.reference, force=True)
