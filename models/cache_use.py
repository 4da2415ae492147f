"""Who uses the downloads of a cache directory: every process that asked for one, until it ends."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from models.errors import InputError

FILE = ".in-use.lock"
_held: dict[Path, IO[str]] = {}  # open until this process ends, however it ends


def hold(directory: Path) -> None:
    """From now on nobody is `alone` there. Where nothing can be written, nothing can be removed either."""
    if directory not in _held:
        with contextlib.suppress(OSError):
            lock = (directory / FILE).open("a+")  # a network file system asks for the right to read, to share it
            fcntl.flock(lock, fcntl.LOCK_SH)
            _held[directory] = lock


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """For whoever removes downloads. Raises InputError where a process uses some, or nothing can be written."""
    try:
        lock = (directory / FILE).open("a")
    except OSError as error:
        raise InputError(f"{directory}: cannot be written ({error.strerror or error})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{directory}: a process at work uses downloads there; clean it when that has ended"
            ) from None
        yield
