"""Files of strangers that are read whole: regular ones, not too large, and nested no deeper than anybody writes."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from models.errors import InputError

MAX_BYTES = 2**28  # 256 MB: sessions of thousands of rounds have some ten
MAX_DEPTH = 64
MAX_SAID = 120  # characters of what a parser says: it may repeat the text
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
CONTAINERS = frozenset((dict, list))  # the kinds of JSON and TOML that hold others; their parsers make no subclasses
T = TypeVar("T")


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's content. Raises InputError for what is absent, no regular file (a pipe has no end) or larger."""
    try:
        return regular_bytes(path, max_bytes)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def regular_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """As `read_bytes`, but raises the OSError itself of a file that cannot be read."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: {'is a folder' if stat.S_ISDIR(found.st_mode) else 'not a regular file'}")
    if found.st_size > max_bytes:
        raise InputError(f"{path}: holds {found.st_size:,} bytes, expected at most {max_bytes:,}")
    return path.read_bytes()


def parsed(parse: Callable[[], T], source: object, kind: str) -> T:
    """What `parse` makes of a text. Raises InputError where that is no JSON or TOML, or nested too deep to walk."""
    try:
        document = parse()
    except InputError:
        raise
    except RecursionError as error:
        raise InputError(f"{source}: not a {kind} file ({TOO_DEEP})") from error
    except ValueError as error:
        said = " ".join(str(error).split())
        raise InputError(f"{source}: not a {kind} file ({said[:MAX_SAID]})") from error
    if is_too_deep(document):
        raise InputError(f"{source}: {TOO_DEEP}")
    return document


def is_too_deep(document: Any) -> bool:
    """Whether objects and lists of JSON or TOML are nested beyond MAX_DEPTH, where walking through them could fail."""
    level = [document] if type(document) in CONTAINERS else []
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return False
        inside = (outer.values() if type(outer) is dict else outer for outer in level)
        level = [inner for values in inside for inner in values if type(inner) in CONTAINERS]
    return bool(level)
