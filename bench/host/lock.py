"""A lock on a file, which goes with the process that holds it, however that ends and on whatever host it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bench.host.files import OutputError, make_folder
from models.errors import InputError


@contextlib.contextmanager
def locked(path: Path, busy: str, shared: bool = False) -> Iterator[IO[str]]:
    """Hold the file's lock, alone or with all others that share it; whoever has it alone may remove the file.

    Raises InputError, which says `busy`, where somebody else has it, OutputError where there can be none.
    """
    while True:
        with _opened(path) as file:
            if not _taken(file, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
                raise InputError(busy)
            if _is_at(file, path):
                yield file
                return


@contextlib.contextmanager
def alone(path: Path, busy: str) -> Iterator[None]:
    """Have a file to oneself, by the lock of another beside it, which goes afterwards. Raises as `locked`."""
    make_folder(path.parent)
    lock = path.with_name(f".{path.name}.lock")
    with locked(lock, busy):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def take_alone(file: IO[str]) -> bool:
    """Make a shared lock one's own, if nobody else shares it; says whether that was so."""
    return _taken(file, Path(file.name), fcntl.LOCK_EX)


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("a+")  # a network file system asks for the right to read, where a lock is to be shared
    except OSError as error:
        raise OutputError(f"cannot write in {path.parent}: {error.strerror}") from error


def _taken(file: IO[str], path: Path, mode: int) -> bool:
    """Whether the lock is ours now. Raises OutputError where the file system has none."""
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise OutputError(f"cannot lock {path}: {error.strerror}; choose a place on another file system") from error
    return True


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether the file still has that name: whoever had its lock before may have removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
