"""Intervals of measured times: percentile bootstrap over rounds, and what a run can resolve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95

Interval = dict[str, float]  # "median", and the ends "low" and "high" of its 95 % interval


def median_interval(values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The median of `values` [rounds] with its percentile bootstrap interval (Efron & Tibshirani 1993, ch. 13).

    Rounds are resampled whole, so a ratio must be taken within its round before it comes here. The generator
    is seeded: the same values give the same interval. A single value gives an interval of no width, which
    claims nothing about its uncertainty. Raises ValueError on no values or values that are not finite.
    """
    sample: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not sample.size or not np.isfinite(sample).all():
        raise ValueError("an interval needs at least one value, all finite")
    picks = np.random.default_rng(seed).integers(0, sample.size, (resamples, sample.size))
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(np.median(sample[picks], axis=1), [tail, 100 - tail])
    median = float(np.median(sample))
    # With few rounds the percentiles interpolate between resamples and can miss the median by rounding.
    return {"median": median, "low": min(float(low), median), "high": max(float(high), median)}


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], *, seed: int = 0) -> Interval:
    """Median of the paired ratios numerators[i] / denominators[i], one pair a round, with its interval.

    The ratio is formed within a round, where both ran on the same machine at the same temperature and load:
    drift between rounds cancels. Raises ValueError if the lengths differ or a denominator is not positive.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if above.shape != below.shape or (below <= 0).any():
        raise ValueError("paired ratios need as many denominators as numerators, all positive")
    return median_interval(above / below, seed=seed)


def half_width(resolution: Interval) -> float:
    """The larger distance from 1 of the ends of an A/A ratio's interval: 0.03 means 3 %."""
    return max(abs(resolution["high"] - 1), abs(resolution["low"] - 1))


def is_resolved(ratio: Interval, resolution: Interval) -> bool:
    """Whether `ratio` may be called different from 1, given the A/A ratio `resolution` of the same run.

    Its own interval must leave 1 out, and its median must lie farther from 1 than the A/A interval reaches:
    a method timed against itself moves that far too.
    """
    if ratio["low"] <= 1 <= ratio["high"]:
        return False
    return abs(ratio["median"] - 1) > half_width(resolution)
