"""Ratios of times that were taken in the same rounds of several processes, and how well they are known.

A round runs every setting once, so a ratio within a round does not feel the machine's pace. Rounds of one process agree
better than processes do: where memory came to lie, a setting can be some per cent slower for a process's whole life.
So log(time) of setting s in round r of process p is taken as level_s + pace_r + process_sp + noise_sr. What differs
between processes cannot be learnt from two of them for one pair, but from all settings of a session together: its
variance is pooled over settings, and has one degree of freedom for each but one and each process but one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from bench.statistics.medians import CONFIDENCE, RESAMPLES, Interval, median_interval, ratio_interval

Array = NDArray[np.float64]
MEDIAN = math.pi / 2  # variance of a median of normal values, over that of their mean


@dataclass(frozen=True)
class Spread:
    """Between processes: variance of one setting's log time that its rounds do not explain, and degrees of freedom."""

    variance: float
    freedom: int


def between_processes(times: ArrayLike, processes: Sequence[int]) -> Spread | None:
    """From the times [rounds, settings] of a session and the process of each round; None from less than 2 processes.

    Only settings without a missing time (NaN) count. The pace of a round is the mean of its settings' log times.
    """
    logs = np.log(np.asarray(times, dtype=np.float64))
    logs = logs[:, ~np.isnan(logs).any(axis=0)]
    split = _split(logs - logs.mean(axis=1, keepdims=True), processes)
    settings = logs.shape[1]
    if len(split) < 2 or settings < 2:
        return None
    medians = np.stack([np.median(rounds, axis=0) for rounds in split])  # [processes, settings]
    freedom = (settings - 1) * (len(split) - 1)
    total = float(((medians - medians.mean(axis=0)) ** 2).sum()) / freedom
    # the median, since one disturbed setting must not explain the others away; settings - 1 are free: they add up to 0
    explained = float(np.median([_within(split, column) for column in range(settings)])) * settings / (settings - 1)
    return Spread(max(0.0, total - explained), freedom)


def paired_ratio(
    above: Sequence[float], below: Sequence[float], processes: Sequence[int], spread: Spread | None
) -> Interval:
    """The ratio of two settings' times, one pair a round, with its 95 % interval.

    Its value is the geometric mean of the processes' medians of ratios within rounds. Its interval is that of Student's
    t with the variance of these medians within processes and the session's `spread` between them (degrees of freedom
    by Satterthwaite 1946), and never leaves out any process's own median. Rounds of one process alone are bootstrapped,
    which claims nothing about other processes. Raises ValueError on unequal lengths or times that are not positive.
    """
    ratios = np.asarray(above, dtype=np.float64) / np.asarray(below, dtype=np.float64)
    if len(ratios) != len(processes) or not np.isfinite(ratios).all() or (ratios <= 0).any():
        raise ValueError("paired ratios need as many processes as rounds, and positive times")
    split = _split(np.log(ratios)[:, None], processes)
    if len(split) < 2 or spread is None:
        return ratio_interval(above, below)
    medians = np.array([np.median(rounds) for rounds in split])
    count = len(split)
    within, between = _within(split, 0) / count, 2 * spread.variance / count
    half = _student(within, len(ratios) - count, between, spread.freedom) * math.sqrt(within + between)
    centre = float(medians.mean())
    low, high = min(centre - half, float(medians.min())), max(centre + half, float(medians.max()))
    return {"median": math.exp(centre), "low": math.exp(low), "high": math.exp(high)}


def chained(first: Interval, second: Interval) -> Interval:
    """The product of two ratios from sessions of their own: errors add up in squares on the log scale, each way."""
    logs = [{end: math.log(ratio[end]) for end in ratio} for ratio in (first, second)]
    centre = sum(log["median"] for log in logs)
    down = math.hypot(*(log["median"] - log["low"] for log in logs))
    up = math.hypot(*(log["high"] - log["median"] for log in logs))
    return {"median": math.exp(centre), "low": math.exp(centre - down), "high": math.exp(centre + up)}


def pooled_median(values: Sequence[float], processes: Sequence[int], *, seed: int = 0) -> Interval:
    """The median of all rounds with the interval of a bootstrap over processes, then over the rounds of each."""
    split = [rounds[:, 0] for rounds in _split(np.asarray(values, dtype=np.float64)[:, None], processes)]
    if len(split) < 2:
        return median_interval(values, seed=seed)
    drawn = np.nanmedian(_resampled(split, np.random.default_rng(seed)), axis=1)
    median, tail = float(np.median(np.concatenate(split))), 50 * (1 - CONFIDENCE)
    low, high = (float(end) for end in np.percentile(drawn, [tail, 100 - tail]))
    return {"median": median, "low": min(low, median), "high": max(high, median)}


def _resampled(split: list[Array], rng: np.random.Generator) -> Array:
    """RESAMPLES rows of values: as many processes, drawn with replacement, as there are, and as many rounds of each."""
    lengths, longest = np.array([len(v) for v in split]), max(len(v) for v in split)
    padded = np.stack([np.pad(v, (0, longest - len(v)), constant_values=np.nan) for v in split])
    chosen = rng.integers(0, len(split), (RESAMPLES, len(split), 1))
    picks = (rng.random((RESAMPLES, len(split), longest)) * lengths[chosen]).astype(int)
    drawn = np.where(np.arange(longest) < lengths[chosen], padded[chosen, picks], np.nan)
    return drawn.reshape(RESAMPLES, -1)


def _split(rows: Array, processes: Sequence[int]) -> list[Array]:
    """The rows [rounds, ...] of each process."""
    numbers = np.asarray(processes)
    return [rows[numbers == p] for p in dict.fromkeys(processes)]


def _within(split: list[Array], column: int) -> float:
    """Variance of a process's median, the mean over processes: from squared distances to the process's own median."""
    values = [rounds[:, column] for rounds in split]
    squares = sum(float(((v - np.median(v)) ** 2).sum()) for v in values)
    freedom = sum(len(v) - 1 for v in values)
    if not freedom:
        return 0.0
    return MEDIAN * squares / freedom * float(np.mean([1 / len(v) for v in values]))


def _student(within: float, rounds: int, between: float, processes: int) -> float:
    """Student's t of 95 % for a sum of two estimated variances."""
    total = within + between
    if not total:
        return 0.0
    freedom = total**2 / (within**2 / max(1, rounds) + between**2 / max(1, processes))
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
