"""Where goes what a process prints."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from bench.host.files import OutputError, make_folder
from bench.host.patience import patiently

MAX_LOG, KEPT = 4_000_000, 1_000_000  # bytes of a log, and of its end that are kept where it grows larger


def stand_in() -> None:
    """Open standard streams that are closed, to nowhere: the next file would be one, and be given what is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))


def redirect_output(path: Path) -> None:
    """Both streams of this process and of what it starts, from here on. Raises OutputError."""
    make_folder(path.parent)
    try:
        log = patiently(lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def bound(path: Path) -> None:
    """Cut a log that has become too large to its last lines; whoever writes it goes on at its end."""
    with contextlib.suppress(OSError), path.open("r+b") as log:
        size = os.fstat(log.fileno()).st_size
        if size > MAX_LOG:
            log.seek(size - KEPT)
            end = log.read(KEPT)
            log.seek(0)
            log.truncate()
            log.write(f"… {size - len(end):,} bytes before this were cut\n".encode() + end)
