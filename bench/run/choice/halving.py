"""What is surely beaten after some seeds: paired over seeds for errors, by a margin for rough times.

A setting is dropped for good, so sure means 99.9 % here, a pair, and a rough time has to differ by a quarter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bench.run.choice.goal import ERROR, SPEEDUP, Goal
from bench.statistics.jackknife import quantile

SURE = 0.999
ROUGH = 1.25  # a rough time is another's if it is within this factor

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def beaten(errors: Array, seconds: Array, reference: int, goal: Goal, resolution: float = 0.0) -> Mask:
    """Which settings [S] cannot be the answer, from errors [S,seeds] and rough seconds [S]; never the reference.

    `resolution` is how well the exact solution is known.
    """
    faster = seconds[:, None] * ROUGH < seconds  # [i,j]: i is surely faster than j
    if goal.kind == ERROR:
        low, high = ends(errors)
        meets = high + resolution <= goal.bound
        lost = np.logical_or(low - resolution > goal.bound, np.any(faster & meets[:, None], axis=0))
    elif goal.kind == SPEEDUP:
        speedups = seconds[reference] / seconds
        meets = speedups >= goal.bound * ROUGH
        lost = (speedups * ROUGH < goal.bound) | np.any(lower(errors) & meets[:, None], axis=0)
    else:
        lost = np.any(faster & lower(errors), axis=0)
    lost[reference] = False
    return lost


def ends(values: Array) -> tuple[Array, Array]:
    """The interval of the mean over the last axis (seeds), by Student's t."""
    count = values.shape[-1]
    half = float(stdtrit(count - 1, (1 + SURE) / 2)) * values.std(axis=-1, ddof=1) / count**0.5
    mean = values.mean(axis=-1)
    return mean - half, mean + half


def lower(errors: Array) -> Mask:
    """[i,j]: the mean error of i is surely lower than that of j, of the same seeds."""
    return np.stack([ends(errors - row)[0] > 0 for row in errors])


def surely_more(one: Array, other: Array) -> bool:
    """Whether the mean of one is above that of the other, both [seeds] of the same seeds, at 95 %."""
    gaps = one - other
    return bool(gaps.mean() > quantile(len(gaps)) * gaps.std(ddof=1) / len(gaps) ** 0.5)
