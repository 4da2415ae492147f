"""Which settings lie on one line of a plot: those of a cache method that differ in one parameter only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from bench.judge.latency import sampler
from bench.store.stored_cell import StoredCell

Sweep = tuple[Any, ...]


def sweeps_of(cells: Sequence[StoredCell]) -> dict[str, Sweep]:
    """By slug of the cached cells: cache, sampler, steps and every parameter but the one with the most values."""
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    params = [(c, {key: str(value) for key, value in c.cache.params.items()}) for c in cells if c.cache]
    for cell, own in params:
        for key, value in own.items():
            values[cell.family, key].add(value)
    return {cell.slug: _sweep(cell, own, values) for cell, own in params}


def _sweep(cell: StoredCell, params: dict[str, str], values: dict[tuple[str, str], set[str]]) -> Sweep:
    swept = max(params, key=lambda key: len(values[cell.family, key]), default="")
    return cell.family, sampler(cell), tuple(sorted(param for param in params.items() if param[0] != swept))
