"""Writing whole files: what is written is there completely or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from bench.host.patience import patiently
from models.errors import InputError

TEMPORARY = re.compile(r"\.[a-z0-9_]{8}\.tmp")  # what `write_through` calls a file until it is whole


class OutputError(InputError):
    """The results cannot be written: the run stops, what is finished stays."""


def write_json(path: Path, content: Any) -> None:
    """Atomically; NaN and infinity are refused, because JSON has none. Raises OutputError."""
    write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The whole content or nothing, through a temporary file beside it. Raises OutputError."""
    write_through(path, lambda file: file.write(content))


def write_through(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """All that `write(file)` writes, or nothing where it raises, through a temporary file. Raises OutputError."""
    make_folder(path.parent)
    try:
        patiently(lambda: _write_whole(path, write))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Raises OSError."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
            temporary = file.name
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # temporary files are private; results are not
        os.replace(temporary, path)
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def is_temporary(path: Path) -> bool:
    """Whether its name is one that `write_through` gives."""
    return TEMPORARY.fullmatch(path.name) is not None


def set_aside(path: Path) -> Path:
    """Give a damaged file the name NAME.damaged; returns it. Raises OutputError where it cannot be read or moved.

    What cannot be read may be whole: its place may be away for a while. A folder or a pipe is nobody's result.
    """
    aside = path.with_name(f"{path.name}.damaged")
    if not path.is_file():
        raise OutputError(f"cannot set {path} aside: not a regular file")
    try:
        patiently(lambda: _read_a_byte(path))
        os.replace(path, aside)
    except OSError as error:
        raise OutputError(f"cannot set {path} aside: {error.strerror or error}") from error
    return aside


def _read_a_byte(path: Path) -> None:
    with path.open("rb") as file:
        file.read(1)


def make_folder(path: Path) -> None:
    """With its parents. Raises OutputError."""
    try:
        patiently(lambda: path.mkdir(parents=True, exist_ok=True))
    except OSError as error:
        raise OutputError(f"cannot make the directory {path}: {error.strerror}") from error


def expect_writable(path: Path) -> None:
    """Before long work: raise OutputError where no file could be written at `path`. Nothing is made."""
    if path.is_dir():
        raise OutputError(f"cannot write '{path}': it is a folder, expected the name of a file")
    expect_writable_folder(path.parent)


def expect_writable_folder(path: Path) -> None:
    """Raise OutputError where nothing could be written in the folder `path`, which may have to be made."""
    place = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not place.is_dir():
        raise OutputError(f"{path} cannot be written: {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: no right to write in {place}")
    try:
        tempfile.TemporaryFile(dir=place).close()  # rights are not all: a file system may be full, or take no files
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error} in {place}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
