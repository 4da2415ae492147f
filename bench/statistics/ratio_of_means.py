"""How many times larger one mean is than another of the same seeds, and the bootstrap interval of that."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.statistics.interval import Interval
from models.errors import InputError

RESAMPLES = 2000
TAIL = 0.025

Array = NDArray[np.float64]


def ratio_of_means(above: Array, below: Array, seed: int = 0) -> Interval:
    """Mean of `above` [draws, n] over the mean of `below` [draws', n], of the same n seeds.

    Seeds, which are paired, and the draws of each are resampled with replacement (percentile method). Raises
    InputError below two seeds, on unequal numbers of them and where a value is not positive.
    """
    fits = above.ndim == below.ndim == 2 and above.shape[1] == below.shape[1] >= 2
    if not fits or not (np.isfinite(above).all() and np.isfinite(below).all() and (below > 0).all()):
        raise InputError(f"a ratio of means needs [draws, n] of equal n, got {list(above.shape)}, {list(below.shape)}")
    drawn = resampled(above, below, seed)
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return Interval(float(above.mean() / below.mean()), float(low), float(high))


def resampled(above: Array, below: Array, seed: int) -> Array:
    """RESAMPLES ratios of means."""
    seeds, *draws = picks((above.shape[1], len(above), len(below)), seed)
    first, second = (
        values[drawn[:, :, None], seeds[:, None, :]].mean(axis=(1, 2))
        for values, drawn in zip((above, below), draws, strict=True)
    )
    return first / second


@lru_cache(maxsize=8)
def picks(sizes: tuple[int, ...], seed: int) -> list[NDArray[np.int64]]:
    """What is drawn of each: int64 [RESAMPLES, size]; a resample draws from all of them before the next does."""
    rng = np.random.default_rng(seed)
    drawn = [[rng.integers(0, size, size) for size in sizes] for _ in range(RESAMPLES)]
    return [np.array(each) for each in zip(*drawn, strict=True)]
