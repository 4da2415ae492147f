"""Text in results of strangers that does not belong there: markup, formulas, paths, control characters, length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_NAME, MAX_TEXT = 300, 2000
FREE = ("reason", "timing.warnings", "quality.omitted")  # sentences; all other text is names
_MARKUP = re.compile(r"<\s*[/!a-zA-Z]|javascript:|url\s*\(|expression\s*\(", re.IGNORECASE)
_FORMULA = re.compile(r"\s*[=+@]|\s*-\D")
_PATHS = ("model", "slug", "suite", "sampler.name", "cache.name", "quality.features")  # these become files or addresses


def text_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """One line for each string (or key) in it that a page, a spreadsheet or a file system might take amiss."""
    for where, text in strings(document):
        free = where.startswith(FREE)
        limit = MAX_TEXT if free else MAX_NAME
        if len(text) > limit:
            yield f"{where[:MAX_NAME]} has {len(text):,} characters, expected at most {limit:,}"
        elif not text.isprintable():
            yield f"{where!a} has control characters: {text[:60]!a}"
        elif _MARKUP.search(text) or (_FORMULA.match(text) and not free):
            yield f"{where} looks like markup or a spreadsheet's formula: {text[:60]!a}"
        elif where in _PATHS and ("/" in text or "\\" in text or text.startswith(".")):
            yield f"{where} has a path separator or begins with a dot: {text[:60]!a}"


def strings(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """(dotted place, text) of every string and every key in a JSON value; plan rows are checked elsewhere."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{where} (a key)", key
            yield from strings(inner, f"{where}.{key}".lstrip(".")) if (where, key) != ("plan", "rows") else ()
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, where)
