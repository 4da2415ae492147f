"""Log times of all settings of one session as one axis, so that any two have a paired difference.

The model is that of `paired_times`: level + pace of the round + what differs between processes + noise. The pace is the
mean over settings; a level is the mean over processes of medians over rounds. What is left of each round makes the
deviations: those of a difference are its own, so that what two settings share in a round cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from bench.statistics.medians import CONFIDENCE
from bench.statistics.paired_times import MEDIAN, between_processes
from bench.statistics.simultaneous import Axis, blocks, pair_variances

Array = NDArray[np.float64]


def session_axis(times: ArrayLike, processes: Sequence[int], resolution: float = 0.0) -> Axis | None:
    """Of times [rounds, settings] and each round's process.

    None of one setting, which has no pair, and from fewer than 2 rounds that hold every setting.

    Deviations are [rounds, S] of noise, and each setting's own is what differs between processes; degrees of freedom of
    their sum by Satterthwaite (1946), as of the pair in the middle. `resolution`: half the width of the log interval of
    a setting against itself; no difference of two others is said to be known better.
    """
    rows, numbers = np.asarray(times, dtype=np.float64), np.asarray(processes)
    whole = ~np.isnan(rows).any(axis=1)
    rows, numbers = rows[whole], numbers[whole]
    _, process, rounds = np.unique(numbers, return_inverse=True, return_counts=True)
    count, freedom = len(rounds), len(rows) - len(rounds)
    if freedom < 1 or rows.shape[1] < 2:
        return None
    logs = np.log(rows) - np.log(rows).mean(axis=1, keepdims=True)  # without the round's pace
    medians = np.stack([np.median(logs[process == p], axis=0) for p in range(count)])  # [P,S]
    weight = MEDIAN / freedom * float((1 / rounds).mean()) / count
    noise = math.sqrt(weight) * (logs - medians[process])
    spread = between_processes(rows, numbers.tolist())
    between = spread.variance / count if spread else 0.0
    within = middle_variance(noise)
    both = _freedom(within, freedom, 2 * between, spread.freedom if spread else 1)
    missing = max(0.0, (resolution / float(stdtrit(both, (1 + CONFIDENCE) / 2))) ** 2 - within - 2 * between)
    own = np.full(rows.shape[1], math.sqrt(between + missing / 2))
    return Axis(medians.mean(axis=0), noise, both, own=own)


def middle_variance(noise: Array) -> float:
    """The median variance of differences of two columns of independent parts [K,S]."""
    own, settings = (noise**2).sum(axis=0), np.arange(noise.shape[1])
    pairs = []
    for rows in blocks(noise.shape[1]):
        found = pair_variances(noise.T[rows] @ noise, own[rows], own)
        pairs.append(found[settings[rows, None] < settings])
    return float(np.median(np.concatenate(pairs), overwrite_input=True))


def _freedom(within: float, rounds: int, between: float, processes: int) -> int:
    """Of a sum of two estimated variances, rounded down."""
    total = within**2 / rounds + between**2 / processes
    return max(1, math.floor((within + between) ** 2 / total)) if total else rounds
