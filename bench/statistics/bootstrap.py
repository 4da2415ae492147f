"""Bootstrap over pairs: intervals of means. Not for the Fréchet distance, whose bias resampling raises."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError

RESAMPLES = 10_000
LEVEL = 0.95
DRAWS = 2**23  # of a chunk: some 100 MB

Array = NDArray[np.float64]


def mean_intervals(values: Array, *, resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """Low and high ends [2,K] of the 95 % intervals of the means of values [N,K], K quantities of the same N pairs.

    The percentile method (Efron & Tibshirani 1993, ch. 13): whole pairs are drawn with replacement from a generator of
    their own, so the same values give the same interval. Raises InputError below two pairs or on NaN.
    """
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise InputError(f"a bootstrap needs finite values of at least 2 pairs, got {list(values.shape)}")
    rng = np.random.default_rng(seed)
    step = max(1, DRAWS // len(values))
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    means = np.concatenate([resampled_means(values, size, rng) for size in sizes])
    tail = (1 - LEVEL) / 2
    return np.quantile(means, [tail, 1 - tail], axis=0)


def resampled_means(values: Array, resamples: int, rng: np.random.Generator) -> Array:
    """Means [resamples,K] of values [N,K] drawn with replacement."""
    picks = rng.integers(0, len(values), (resamples, len(values)), dtype=np.int32)
    return np.stack([column[picks].mean(axis=1) for column in np.ascontiguousarray(values.T)], axis=1)
