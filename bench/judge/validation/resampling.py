"""The bootstrap of bench/statistics again, to the last digit, for whoever checks thousands of cells.

There every resample is drawn and sorted. Here the values are sorted once, and in every resample it is counted how often
each was drawn, which is the same for all values of as many rounds: where the counts reach half is the median.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.statistics import paired_times
from bench.statistics.medians import CONFIDENCE, RESAMPLES, Interval
from bench.statistics.paired_times import Spread

MAX_COUNT = 255  # of values that are drawn; more are left to bench.statistics
SEED = 0  # of every stored interval


def pooled_median(values: Sequence[float], processes: Sequence[int]) -> Interval:
    """As bench.statistics.paired_times.pooled_median."""
    numbers = np.asarray(processes)
    places = [np.flatnonzero(numbers == process) for process in dict.fromkeys(processes)]
    lengths = tuple(map(len, places))
    if not lengths or len(lengths) * max(lengths) > MAX_COUNT:
        return paired_times.pooled_median(values, processes)
    return _interval(np.asarray(values, dtype=np.float64)[np.concatenate(places)], lengths)


def paired_ratio(
    above: Sequence[float], below: Sequence[float], processes: Sequence[int], spread: Spread | None
) -> Interval:
    """As bench.statistics.paired_times.paired_ratio, which several processes, without a bootstrap, are left to."""
    if len(set(processes)) > 1 or not 0 < len(above) <= MAX_COUNT:
        return paired_times.paired_ratio(above, below, processes, spread)
    return _interval(np.asarray(above, dtype=np.float64) / np.asarray(below, dtype=np.float64), (len(above),))


def _interval(values: NDArray[np.float64], lengths: tuple[int, ...]) -> Interval:
    """The median of the values of all processes, one after the other, with its interval."""
    order, drawn = np.argsort(values, kind="stable"), _drawn(lengths)
    reached = np.cumsum(drawn[order], axis=0, dtype=np.uint8)  # [values, RESAMPLES], the smallest value first
    sizes = reached[-1].astype(np.int64)
    lower, upper = ((reached <= place).sum(axis=0) for place in ((sizes - 1) // 2, sizes // 2))
    ordered = values[order]
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile((ordered[lower] + ordered[upper]) / 2, [tail, 100 - tail])
    median = float(np.median(values))
    return {"median": median, "low": min(float(low), median), "high": max(float(high), median)}


@lru_cache(maxsize=64)
def _drawn(lengths: tuple[int, ...]) -> NDArray[np.uint8]:
    """How often every resample holds each value, [values, RESAMPLES], of processes with so many rounds."""
    count, rng = sum(lengths), np.random.default_rng(SEED)
    if len(lengths) == 1:
        picks = rng.integers(0, count, (RESAMPLES, count)).astype(np.float64)
    else:
        ends = np.cumsum(lengths)[:-1]
        picks = paired_times._resampled(np.split(np.arange(count, dtype=np.float64), ends), rng)
    return np.stack([(picks == value).sum(axis=1) for value in range(count)]).astype(np.uint8)
