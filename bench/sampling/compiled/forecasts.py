"""A kept tensor's differences and forecasts as weights of the values kept, found once for all branches alike."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bench.sampling.compiled.linear import Linear
from bench.sampling.executor import Kept

Terms = tuple[tuple[int, float], ...]  # kept values by position, newest first, and their weights
Rows = tuple[Terms, ...]  # the newest value and its differences


def identity(count: int) -> Rows:
    """Where the places hold the value and the differences themselves."""
    return tuple(((position, 1.0),) for position in range(count))


@lru_cache(maxsize=1024)
def renewed(before: Rows, gap: int, order: int) -> Rows:
    """The rows once a new value stands in front of those kept `gap` evaluations earlier."""
    old = Kept(0, [Linear({p + 1: c for p, c in row}) for row in before]) if before else None
    return _terms(Kept.after(old, gap, Linear({0: 1.0}), order, {}).tensors)


@lru_cache(maxsize=1024)
def forecast(rows: Rows, distance: int, sigma: float) -> Terms:
    """The weights of the value `distance` evaluations after the newest."""
    (terms,) = _terms([Kept(0, [Linear(dict(row)) for row in rows]).value(distance, sigma)])
    return terms


def _terms(combinations: list[Any]) -> Rows:
    return tuple(tuple((p, c) for p, c in combination.terms.items() if c != 0.0) for combination in combinations)
