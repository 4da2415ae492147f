"""A TOML file of somebody, as a table."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from models.errors import InputError
from models.text_file import MAX_DEPTH, TOO_DEEP, parsed, read_bytes

MAX_BYTES = 2**22  # the largest suites have some ten thousand; reading more takes minutes
BITS = 64  # of an integer, as TOML has it
LONG_KEY = re.compile(rb"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){%d}""" % MAX_DEPTH)  # takes tomllib a square of time


def read_toml(path: Path) -> dict[str, Any]:
    """The file's table. Raises InputError, in one line that names it, where it is none or no reader could walk it."""
    return parse_toml(read_bytes(path, MAX_BYTES), path)


def parse_toml(content: bytes, path: Path) -> dict[str, Any]:
    """The table that the content of `path` is. Raises InputError as `read_toml`."""
    if LONG_KEY.search(content):
        raise InputError(f"{path}: a key is {TOO_DEEP}")
    table = parsed(lambda: tomllib.loads(content.decode()), path, "TOML")
    if key := _beyond(table):
        raise InputError(f"{path}: '{key}' holds an integer beyond {BITS} bits")
    return table


def _beyond(value: Any, key: str = "") -> str | None:
    """The key that leads to an integer that no TOML reader need take; Python cannot even print the largest."""
    if isinstance(value, dict):
        return next(filter(None, (_beyond(inner, name) for name, inner in value.items())), None)
    if isinstance(value, list):
        return next(filter(None, (_beyond(inner, key) for inner in value)), None)
    return key or "?" if isinstance(value, int) and value.bit_length() >= BITS else None
