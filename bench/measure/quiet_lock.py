"""Many samplers or one timer: a lock between the processes of a run, so that timing has the machine alone.

Two advisory file locks (flock), which the kernel releases when a process dies however it dies. Everybody
passes the turnstile first; a timer stays in it while it waits, so that no sampler overtakes it and it is
not starved.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO


class QuietLock:
    """Hold `sampling()` for the length of one batch; hold `timing()` while measuring.

    `waiting(True)` and `waiting(False)` are called around every wait for somebody else.
    """

    def __init__(self, directory: Path, waiting: Callable[[bool], None] = lambda begins: None) -> None:
        self._turnstile = directory / ".turnstile.lock"
        self._room = directory / ".room.lock"
        self._waiting = waiting

    @contextlib.contextmanager
    def sampling(self) -> Iterator[None]:
        """Shared with other samplers; waits while anybody is timing or waits to."""
        with self._lock(self._turnstile, fcntl.LOCK_EX):
            room = self._lock(self._room, fcntl.LOCK_SH)
        with room:
            yield

    @contextlib.contextmanager
    def timing(self) -> Iterator[None]:
        """Alone: samplers end their batch first and wait until this is released."""
        with self._lock(self._turnstile, fcntl.LOCK_EX), self._lock(self._room, fcntl.LOCK_EX):
            yield

    def _lock(self, path: Path, mode: int) -> IO[str]:
        """The locked file; closing it releases the lock."""
        file = path.open("a")
        try:
            self._wait(file, mode)
        except BaseException:
            file.close()
            raise
        return file

    def _wait(self, file: IO[str], mode: int) -> None:
        try:
            return fcntl.flock(file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            self._waiting(True)
        try:
            fcntl.flock(file, mode)
        finally:
            self._waiting(False)
