"""A JSON object in a file, with every name in it once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from models.errors import InputError
from models.text_file import parsed, read_bytes


def read_object(path: Path, what: str = "a JSON object") -> dict[str, Any]:
    """The object in a file. Raises InputError for no JSON, something else than an object and a name given twice."""
    return parse_object(read_bytes(path), path, what)


def parse_object(text: str | bytes, source: object, what: str = "a JSON object") -> dict[str, Any]:
    """The object that a text is. Raises InputError as `read_object`, naming the source."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = Counter(name for name, _ in pairs)
        twice = next((name for name, count in names.items() if count > 1), None)
        if twice is not None:
            raise InputError(f"{source}: '{twice}' is there {names[twice]} times, expected once")
        return dict(pairs)

    def read() -> Any:
        return json.loads(text.decode() if isinstance(text, bytes) else text, object_pairs_hook=once)

    content = parsed(read, source, "JSON")
    if not isinstance(content, dict):
        raise InputError(f"{source}: expected {what}, got {type(content).__name__}")
    return content
