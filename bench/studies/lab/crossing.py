"""How far a share can go until an error passes a limit, with an interval over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from bench.statistics.interval import Interval
from bench.studies.lab.masks import Array

RESAMPLES, TAIL = 2000, 0.025


def first_crossing(shares: Sequence[float], means: Array, limit: float) -> float:
    """The share up to which mean errors stay within the limit, on straight lines between points from the first on."""
    over = np.flatnonzero(means > limit)
    if not len(over):
        return shares[-1]
    if over[0] == 0:
        return 0.0
    before, after = over[0] - 1, over[0]
    part = (limit - means[before]) / (means[after] - means[before])
    return float(shares[before] + part * (shares[after] - shares[before]))


def crossings(shares: Sequence[float], values: Array, limit: Callable[[Array], float]) -> tuple[float, Array]:
    """The share at which mean errors first pass their limit, and those of draws of seeds, [RESAMPLES].

    `values`: [shares, seeds]; `limit`, of the means. As many seeds are drawn alike, so that two calls are paired.
    """
    picks = np.random.default_rng(0).integers(0, values.shape[1], (RESAMPLES, values.shape[1]))

    def of(means: Array) -> float:
        return first_crossing(shares, means, limit(means))

    return of(values.mean(axis=1)), np.array([of(values[:, pick].mean(axis=1)) for pick in picks])


def spread(value: float, drawn: Array) -> dict[str, float]:
    """Value, low and high, by the quantiles of what was drawn."""
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return asdict(Interval(value, float(low), float(high)))
