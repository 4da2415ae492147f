"""Cells of older schemas as the present one reads them, and what cells written before a field say in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Step = Callable[[dict[str, Any]], dict[str, Any]]
BOUNDS = {f"{key}_{end}": f"{key}_corrected_{end}" for key in ("fd", "sfd") for end in ("low", "high")}
STEPS: dict[int, Step] = {}  # schema 1 is the first: nothing to upgrade yet


def upgraded(cell: dict[str, Any], schema: int, steps: Mapping[int, Step] = STEPS) -> dict[str, Any]:
    """`cell` at `schema`, one step after another; as it is where no step leads there, for the schema's own check."""
    cell = with_named_bounds(cell)
    while isinstance(version := cell.get("schema"), int) and version < schema and version in steps:
        cell = steps[version](cell) | {"schema": version + 1}
    return cell


def with_named_bounds(cell: dict[str, Any]) -> dict[str, Any]:
    """Up to protocol 3 the interval of `fd_corrected` was called `fd_low`, `fd_high`, as if it were that of `fd`."""
    quality = cell.get("quality")
    if not isinstance(quality, dict) or "fd_low" not in quality:
        return cell
    return cell | {"quality": {BOUNDS.get(name, name): value for name, value in quality.items()}}


def setting_of(cell: Mapping[str, Any]) -> tuple[str, str]:
    """(family, setting) of a cell: as stored; of one written before they were, from its title and its parameters.

    A title is `SAMPLER-STEPS (key=value, …) + CACHE (key=value, …)`. Any other bracket is the name's: a plugin may be
    called `DeepCache (non-uniform)`.
    """
    if isinstance(cell.get("family"), str) and isinstance(cell.get("setting"), str):
        return cell["family"], cell["setting"]
    sampler, cache = cell["sampler"], cell.get("cache")
    if cache is None:
        name, stated = split_title(cell["method"])
        base = name.removesuffix(f"-{sampler.get('steps')}")
        family = sampler["name"] if base in ("", name) else base + (f" ({stated})" if stated else "")
        return family, str(sampler.get("steps") or cell["method"])
    name, stated = split_title(cell["method"].partition(" + ")[2])
    return name or cache["name"], stated or name or cell["method"]


def split_title(title: str) -> tuple[str, str]:
    """(name, stated parameters) of `FORA (interval=3)`; all of it is the name where no parameters are stated."""
    begins = re.search(r" \((?=[A-Za-z_]\w*=)", title)
    if begins is None or not title.endswith(")"):
        return title, ""
    return title[: begins.start()], title[begins.end() : -1]
