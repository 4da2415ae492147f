"""A job at work in a process of its own, forked from a server that has torch imported."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing import connection, forkserver, resource_tracker
from typing import Any

from bench.host.environment import environment
from bench.host.files import OutputError
from bench.host.interrupts import put_off
from bench.host.output import bound
from bench.measure.task import Job, Task, task_of
from bench.run import worker
from bench.run.executor import ANYWHERE, Executor, Message, Place, Running
from bench.run.strays import Watcher
from models.errors import InputError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
EXIT_SECONDS = 5.0
FOR_ALL = 10  # of the exact solution, which takes a suite's longest cells several times over
SOCKET_NAME = 107 - len("/pymp-01234567/listener-01234567")  # what is left for the folder of a Unix socket
DAEMON = (
    "this process is daemonic, so it may start no others: start ditbench by its command line there (subprocess), or "
    "use --on slurm or ray"
)


class Server(Executor):
    """Starts children whose libraries use `threads` threads, one at a time in each of `places`.

    Raises InputError where no socket fits in TMPDIR, and in a process that may have no children.
    """

    def __init__(self, threads: int, places: Sequence[Place] = (ANYWHERE,)) -> None:
        if multiprocessing.current_process().daemon:
            raise InputError(DAEMON)
        folder = tempfile.gettempdir()
        if len(os.fsencode(folder)) > SOCKET_NAME:
            raise InputError(f"TMPDIR: {folder} is too long for a socket in it, expected at most {SOCKET_NAME} bytes")
        for name in THREAD_VARIABLES:
            os.environ[name] = str(threads)  # read by the libraries when the fork server imports them
        self.watcher = Watcher()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["bench.run.preload"])
        self.places = list(places)
        self.busy: list[Child] = []

    @property
    def slots(self) -> int:
        return len(self.places)

    def start(self, job: Job) -> Child:
        self.busy = [child for child in self.busy if child.result is None]
        taken = [child.place for child in self.busy]
        place = next((place for place in self.places if taken.count(place) < self.places.count(place)), self.places[0])
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=worker.main, args=(job, theirs, place), daemon=True)
        resource_tracker.ensure_running()  # before, since it ends with SIGINT let through
        with put_off():
            forkserver.ensure_running()
        process.start()
        theirs.close()
        self.busy.append(Child(job, process, ours, place))
        return self.busy[-1]

    def wait(self, running: Sequence[Any], timeout: float) -> None:
        left = [max(0.0, child.left) for child in running]
        said = [end for child in running for end in (child.pipe, child.process.sentinel)]
        connection.wait(said, timeout=min([timeout, *left]))

    def machine(self, device: str) -> dict[str, Any]:
        return environment(device)

    def close(self) -> None:
        for child in self.busy:
            child.kill()
        self.watcher.close()


class Child(Running):
    """A job in a process."""

    def __init__(self, job: Job, process: Any, pipe: connection.Connection, place: Place) -> None:
        self.job, self.process, self.pipe, self.place = job, process, pipe, place
        self.started = self.heard = time.monotonic()
        self.log = worker.log_path(job)
        self.shared, self.sharing = 0.0, False  # seconds spent on what all cells use, and whether it is at that now
        self.result: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds until it has taken longer than the suite allows: a cell in whole, a timing since it last spoke.

        What all cells of the model use is nobody's time, and may be silent for FOR_ALL times as long.
        """
        limit, now = task_of(self.job).cell.protocol.timeout, time.monotonic()
        if self.sharing:
            return FOR_ALL * limit - (now - self.heard)
        since = self.started + self.shared if isinstance(self.job, Task) else self.heard
        return limit - (now - since)

    def messages(self) -> Iterator[Message]:
        """Every message that has come. Raises OutputError for its.

        A pipe that closes without a result is a crash; so is an end of the process, whoever else holds the pipe.
        """
        over = bool(connection.wait([self.process.sentinel], timeout=0))  # before the last look at what it said
        try:
            while self.result is None and self.pipe.poll():
                kind, *rest = self.pipe.recv()
                self._hear(kind)
                if kind == "output error":
                    raise OutputError(rest[0])
                if kind == "result":
                    self.end(rest[0])
                else:
                    yield "phase" if kind == "shared" else kind, *rest
            if over and self.result is None:
                raise EOFError
        except (EOFError, ConnectionError):
            self.process.join(timeout=EXIT_SECONDS)
            self.end(crash(self.process.exitcode))

    def _hear(self, kind: str) -> None:
        """Note when it spoke, and what the time until then was spent on."""
        now = time.monotonic()
        self.shared += now - self.heard if self.sharing else 0.0
        self.heard, self.sharing = now, kind == "shared"

    def end(self, result: dict[str, Any]) -> None:
        """Take this as the job's result, whatever its process still does: a method's own threads may keep it."""
        self.result = result
        self.process.join(timeout=EXIT_SECONDS if result["status"] == "ok" else 0)
        self.kill()
        bound(self.log)

    def hold_to_limit(self) -> None:
        """End it where it takes longer than the suite allows; and see that its log does not fill the disk."""
        bound(self.log)
        if self.result is not None or self.left > 0:
            return
        limit = task_of(self.job).cell.protocol.timeout
        self.kill()
        self.result = {"status": "timeout", "reason": f"stopped after {limit:g} s, the suite's timeout"}

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a group once it has started
        self.process.kill()
        self.process.join()


def crash(code: int | None) -> dict[str, Any]:
    """The result of a process that ended without one."""
    if code is None:
        return {"status": "failed", "reason": "the process closed its pipe before it had a result"}
    if code >= 0:
        return {"status": "failed", "reason": f"the process ended with code {code} before it had a result"}
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if -code == signal.SIGKILL:
        return {"status": "oom", "reason": "killed by SIGKILL, which is what the system sends when memory runs out"}
    return {"status": "failed", "reason": f"the process was killed by {name}"}
