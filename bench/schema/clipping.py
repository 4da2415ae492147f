"""Results never say more than a page can show: a text of ten megabytes is cut where it is read."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

MAX_TEXT = 400  # characters


def clipped(value: Any) -> Any:
    """`value`, a piece of JSON, with every text in it at most MAX_TEXT characters long; plans stay as they are.

    What holds no longer text is not copied.
    """
    if _are_short((value,)):
        return value
    if isinstance(value, dict):
        return {clipped(key): item if key == "plan" else clipped(item) for key, item in value.items()}
    return value[: MAX_TEXT - 1] + "…" if isinstance(value, str) else [clipped(item) for item in value]


def _are_short(values: Iterable[Any]) -> bool:
    """Whether no text in pieces of JSON is too long."""
    for value in values:
        kind = type(value)
        if kind is str:
            if len(value) > MAX_TEXT:
                return False
        elif (kind is dict and not _are_short(chain(value, value.values()))) or (
            kind is list and not _are_short(value)
        ):
            return False
    return True
