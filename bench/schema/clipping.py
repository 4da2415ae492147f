"""Results never say more than a page can show: a text of ten megabytes is cut where it is read."""

from __future__ import annotations

from typing import Any

MAX_TEXT = 400  # characters
_LONG = (str, dict, list)  # what a long text may be in
_KINDS = frozenset(_LONG)


def clipped(value: Any) -> Any:
    """`value`, a piece of JSON, with every text in it at most MAX_TEXT characters long; plans stay as they are."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + "…"
    if isinstance(value, dict):
        if _KINDS.isdisjoint(map(type, value.values())) and len(max(value, key=len, default="")) <= MAX_TEXT:
            return value  # numbers alone, as most of a cell's objects hold
        return {
            clipped(key): clipped(item) if isinstance(item, _LONG) and key != "plan" else item
            for key, item in value.items()
        }
    if isinstance(value, list):
        if _KINDS.isdisjoint(map(type, value)):
            return value
        return [clipped(item) if isinstance(item, _LONG) else item for item in value]
    return value
