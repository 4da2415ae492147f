"""Cells of older schemas as the present one reads them: a step for each version, from it to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Step = Callable[[dict[str, Any]], dict[str, Any]]
STEPS: dict[int, Step] = {}  # schema 1 is the first: nothing to upgrade yet


def upgraded(cell: dict[str, Any], schema: int, steps: Mapping[int, Step] = STEPS) -> dict[str, Any]:
    """`cell` at `schema`, one step after another; as it is where no step leads there, for the schema's own check."""
    while isinstance(version := cell.get("schema"), int) and version < schema and version in steps:
        cell = steps[version](cell) | {"schema": version + 1}
    return cell
