"""Spearman's rank correlation of fixed scores with what was measured on a sample of images, and its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from bench.statistics.interval import Interval
from models.errors import InputError

RESAMPLES = 1000
TAIL = 0.025

Array = NDArray[np.float64]


def rank_correlation(scores: Array, values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Interval | None:
    """Of scores [K] with the means over images of values [images, K]; ties share their mean rank.

    The interval is the bootstrap's over images, whole images drawn with replacement. None where all scores or all
    means are equal: nothing is ranked. Raises InputError below two images, below two scores or on NaN.
    """
    if values.ndim != 2 or len(values) < 2 or scores.shape != values.shape[1:] or len(scores) < 2:
        raise InputError(f"a rank correlation needs scores [K] and values [images, K], got {list(values.shape)}")
    if not (np.isfinite(scores).all() and np.isfinite(values).all()):
        raise InputError("a rank correlation needs finite numbers")
    mean = values.mean(axis=0)
    if np.ptp(scores) == 0 or np.ptp(mean) == 0:
        return None
    ranks, rng = rankdata(scores), np.random.default_rng(seed)
    picks = rng.integers(0, len(values), (resamples, len(values)))
    drawn = [float(np.corrcoef(ranks, rankdata(values[pick].mean(axis=0)))[0, 1]) for pick in picks]
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return Interval(float(np.corrcoef(ranks, rankdata(mean))[0, 1]), float(low), float(high))
