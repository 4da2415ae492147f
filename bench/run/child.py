"""A job at work in a process of its own, forked from a server that has torch imported."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import connection
from typing import Any

from bench.host.files import OutputError
from bench.run import worker
from bench.run.worker import Job
from models.errors import InputError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
EXIT_SECONDS = 5.0
SOCKET_NAME = 107 - len("/pymp-01234567/listener-01234567")  # what is left for the folder of a Unix socket
Message = tuple[Any, ...]


class Server:
    """Starts children whose libraries use `threads` threads. Raises InputError where no socket fits in TMPDIR."""

    def __init__(self, threads: int) -> None:
        folder = tempfile.gettempdir()
        if len(os.fsencode(folder)) > SOCKET_NAME:
            raise InputError(f"TMPDIR: {folder} is too long for a socket in it, expected at most {SOCKET_NAME} bytes")
        for name in THREAD_VARIABLES:
            os.environ[name] = str(threads)  # read by the libraries when the fork server imports them
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["bench.run.worker"])

    def start(self, job: Job) -> Child:
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=worker.main, args=(job, theirs), daemon=True)
        process.start()
        theirs.close()
        return Child(job, process, ours)


class Child:
    """`result` is None until the job has ended, however it ended."""

    def __init__(self, job: Job, process: Any, pipe: connection.Connection) -> None:
        self.job, self.process, self.pipe = job, process, pipe
        self.started = self.heard = time.monotonic()
        self.result: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.started

    @property
    def silence(self) -> float:
        """Seconds since it last said anything."""
        return time.monotonic() - self.heard

    def messages(self) -> Iterator[Message]:
        """Every message that has come. A pipe that closes without a result is a crash. Raises OutputError for its."""
        try:
            while self.result is None and self.pipe.poll():
                kind, *rest = self.pipe.recv()
                self.heard = time.monotonic()
                if kind == "output error":
                    raise OutputError(rest[0])
                if kind == "result":
                    self.end(rest[0])
                else:
                    yield kind, *rest
        except (EOFError, ConnectionError):
            self.process.join(timeout=EXIT_SECONDS)
            self.end(crash(self.process.exitcode))

    def end(self, result: dict[str, Any]) -> None:
        """Take this as the job's result, whatever its process still does: a method's own threads may keep it."""
        self.result = result
        self.process.join(timeout=EXIT_SECONDS if result["status"] == "ok" else 0)
        self.kill()

    def stop(self, limit: float) -> None:
        """It took longer than the suite allows."""
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
