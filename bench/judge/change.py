"""What changed between two measurements of the same thing: called a change only if it is large and certain.

A factor is new / base of something that is better when lower: 1.10 is 10 % worse. `better` and `worse` need both a
factor beyond a limit and significance after Holm's correction over everything that is compared at once (Holm 1979), so
that a comparison of eighty unchanged cells raises an alarm in one of twenty comparisons, not in every one. `same`
needs the whole 95 % interval within the limit. What is neither is `unresolved`: measured too coarsely to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.special import ndtr, stdtr, stdtrit

from bench.statistics.interval import Z95

BETTER, WORSE, SAME, UNRESOLVED = "better", "worse", "same", "unresolved"
LIMIT = 1.05
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Change:
    """`factor` with its 95 % interval; `p`: how probable so large a factor is where nothing changed."""

    measure: str  # "latency", "speed-up" or "quality"
    factor: float
    low: float
    high: float
    p: float
    verdict: str = UNRESOLVED


def from_logs(measure: str, log_factor: float, standard_error: float) -> Change:
    """A change whose logarithm is normal, as that of latencies."""
    half = Z95 * standard_error
    p = 2 * float(ndtr(-abs(log_factor) / standard_error)) if standard_error else float(log_factor == 0)
    return Change(measure, math.exp(log_factor), math.exp(log_factor - half), math.exp(log_factor + half), p)


def from_difference(measure: str, base: float, difference: float, standard_error: float, freedom: int) -> Change:
    """A change by a difference with Student's error of `freedom` degrees, as a factor of `base` > 0."""
    half = float(stdtrit(freedom, 0.975)) * standard_error
    exact = float(difference == 0)
    p = 2 * float(stdtr(freedom, -abs(difference) / standard_error)) if standard_error else exact
    ends = [1 + (difference + sign * half) / base for sign in (-1, 1)]
    return Change(measure, 1 + difference / base, ends[0], ends[1], p)


def judge(changes: Sequence[Change], limit: float = LIMIT) -> list[Change]:
    """The changes with their verdicts, judged together."""
    order = sorted(range(len(changes)), key=lambda i: changes[i].p)
    certain: set[int] = set()
    for rank, i in enumerate(order):  # Holm: stop at the first that is not significant at its own level
        if changes[i].p > SIGNIFICANCE / (len(changes) - rank):
            break
        certain.add(i)
    return [replace(change, verdict=verdict(change, i in certain, limit)) for i, change in enumerate(changes)]


def verdict(change: Change, certain: bool, limit: float) -> str:
    if certain and change.factor > limit:
        return WORSE
    if certain and change.factor < 1 / limit:
        return BETTER
    return SAME if 1 / limit <= change.low and change.high <= limit else UNRESOLVED


def combined(verdicts: Sequence[str]) -> str:
    """One word for several: what is worse counts most, then what is better, then what is not known."""
    return next((word for word in (WORSE, BETTER, UNRESOLVED) if word in verdicts), SAME)
