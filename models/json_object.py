"""A JSON object in a file, with every name in it once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.errors import InputError


def read_object(path: Path) -> dict[str, Any]:
    """The object in a file. Raises InputError for no JSON, something else than an object and a name given twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path}: '{twice}' is there {names.count(twice)} times, expected once")
        return made

    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({str(error)[:120]})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object")
    return content
