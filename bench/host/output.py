"""What a process prints, into a file."""

from __future__ import annotations

import os
from pathlib import Path

from bench.host.files import OutputError, make_folder


def redirect_output(path: Path) -> None:
    """Both streams of this process and of what it starts, from here on. Raises OutputError."""
    make_folder(path.parent)
    try:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
