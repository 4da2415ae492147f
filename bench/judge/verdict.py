"""What to use: one setting that is surely good enough, and of every other what can be said for certain.

Two axes, both better when lower: log latency, and quality (or an error that is called fidelity). With stated margins:

- use          the headline: the fastest setting whose quality is certainly within a bound above the reference's
- worth        of every other setting it is certain that it is worse or slower
- replaceable  some setting is certainly better on one axis, and certainly no more than the margin worse on the other
- undecided    neither; its rivals are those that may be as good and as fast
- alone        there is no other setting

Every statement rests on one-sided tests, as certain as it takes for the report: of S settings, k are spoken of at
the chance WRONG k / S or less (Benjamini & Hochberg 1995). So where most settings are clear, little is asked for; where
few are, each must be clearer, and the false share of a report's statements stays below 5 % either way. The headline
has 5 % of its own (`headline`). bench/benchmarks/verdicts.py shows both; `simultaneous` asks for no false statement.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.statistics.simultaneous import Axis
from models.errors import InputError

USE, WORTH, REPLACEABLE, UNDECIDED, ALONE = VERDICTS = ("use", "worth", "replaceable", "undecided", "alone")
WRONG = 0.035  # below 0.05: which rival a statement names is chosen by the same samples
HEADLINE_WRONG = 0.05
ONE_SIDED = 0.025  # of two-sided 95 %
LATENCY_SHARE = 0.2  # of what may go wrong at once: latencies are far better known than qualities

Array = NDArray[np.float64]
Signs = NDArray[np.bool_]


@dataclass(frozen=True)
class Margins:
    """What counts as no worse: `quality` in the axis's units, `latency` on the log scale; `bound` is the headline's."""

    quality: float
    latency: float = float(np.log(1.02))
    bound: float | None = None  # above the reference; None: the quality margin

    def __post_init__(self) -> None:
        for name in ("quality", "latency", "bound"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < np.inf:
                raise InputError(f"margin: '{name}' must be a number of at least 0, got {value!r}")

    @property
    def allowance(self) -> float:
        return self.quality if self.bound is None else self.bound


@dataclass(frozen=True)
class Verdict:
    """`by`: the setting that replaces it, first, or its rivals, nearest first; empty for the others."""

    word: str
    by: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Headline:
    """`setting` is `speedup` times as fast as the reference; its quality lies at most `above` over the reference's.

    `faster` may be within the bound too, and are faster as far as is known; fastest first.
    """

    setting: int
    speedup: tuple[float, float, float]  # value, low, high
    above: float
    faster: list[int]


@dataclass(frozen=True)
class Certain:
    """What the intervals of both axes exclude; element [a,b] speaks of a against b."""

    latency: tuple[Array, Array]
    quality: tuple[Array, Array]

    @property
    def faster(self) -> Signs:
        return self.latency[1] < 0

    @property
    def better(self) -> Signs:
        return self.quality[1] < 0

    def replaces(self, margins: Margins) -> Signs:
        """a is certainly better than b on one axis, and certainly no more than the margin worse on the other."""
        by_speed = self.faster & (self.quality[1] <= margins.quality)
        by_quality = self.better & (self.latency[1] <= margins.latency)
        return by_speed | by_quality


def certain(latency: Axis, quality: Axis, margins: Margins) -> Certain:
    """Intervals of all gaps at the level that keeps the false share of a report's statements below 5 %."""
    level = 1 - 2 * threshold(chances(latency, quality, margins))
    return Certain(latency.ends(latency.pointwise(level)), quality.ends(quality.pointwise(level)))


def simultaneous(latency: Axis, quality: Axis) -> Certain:
    """Intervals of all gaps that hold at once in 95 % of reports: not a single false statement in those."""
    fast, good = 1 - 2 * ONE_SIDED * LATENCY_SHARE, 1 - 2 * ONE_SIDED * (1 - LATENCY_SHARE)
    return Certain(latency.ends(latency.critical(fast)), quality.ends(quality.critical(good)))


def chances(latency: Axis, quality: Axis, margins: Margins) -> Array:
    """Of every setting [S], how probable the clearest statement about it is by chance alone."""
    faster, better = latency.chance_below(0.0), quality.chance_below(0.0)
    by_speed = np.maximum(faster, quality.chance_below(margins.quality))
    by_quality = np.maximum(better, latency.chance_below(margins.latency))
    itself = np.eye(len(faster), dtype=bool)
    replaceable = np.where(itself, 1.0, np.minimum(by_speed, by_quality)).min(axis=0)
    worth = np.where(itself, 0.0, np.minimum(better, faster)).max(axis=1)
    return np.minimum(replaceable, worth)


def threshold(doubts: Array) -> float:
    """The largest chance WRONG k / S that k settings stay below; that of one setting where none does."""
    count = len(doubts)
    limits = WRONG * np.arange(1, count + 1) / count
    below = np.flatnonzero(np.sort(doubts) <= limits)
    return float(limits[below[-1] if len(below) else 0])


def headline(latency: Axis, quality: Axis, reference: int, margins: Margins) -> Headline:
    """The fastest setting that is certainly within the bound; the reference itself always is.

    Contenders are those that two-sided 95 % do not exclude. Half of the 5 % is spread over them evenly, of the other
    half the fastest has a half, the next a quarter, …: usually it is one of the first, and the chances of all of them
    to be chosen wrongly add up to 5 % at most.
    """
    gaps, errors = quality.gaps[:, reference], quality.errors[:, reference]
    usual = quality.ends(quality.pointwise(1 - 2 * ONE_SIDED))[0][:, reference]
    order = [int(s) for s in np.argsort(latency.values, kind="stable")]
    contenders = [s for s in order[: order.index(reference)] if usual[s] <= margins.allowance]
    passed, certain_above = reference, 0.0
    for place, s in enumerate(contenders, start=1):
        chance = HEADLINE_WRONG / 2 * (1 / len(contenders) + 0.5**place)
        high = float(gaps[s] + quality.pointwise(1 - 2 * chance) * errors[s] + quality.slack)
        if high <= margins.allowance:
            passed, certain_above = s, max(high, 0.0)
            break
    slowest, fastest = latency.ends(latency.pointwise(1 - 2 * ONE_SIDED))
    value, low, high = (float(np.exp(end[reference, passed])) for end in (latency.gaps, slowest, fastest))
    faster = contenders if passed == reference else contenders[: contenders.index(passed)]
    return Headline(passed, (value, low, high), certain_above, faster)


def verdicts(latency: Axis, quality: Axis, known: Certain, margins: Margins, use: int | None = None) -> list[Verdict]:
    """One for every setting; `use` is the headline's, if there is one. Where a setting is worth and replaceable: worth.

    Raises InputError where the axes hold different numbers of settings.
    """
    count = len(latency.values)
    if len(quality.values) != count:
        raise InputError(f"verdicts: {count} latencies but {len(quality.values)} qualities")
    if count == 1:
        return [Verdict(ALONE)]
    itself = np.eye(count, dtype=bool)
    beaten = known.better | known.faster | itself  # [a,b]: b is certainly worse or slower than a
    worth: Signs = np.asarray(beaten.all(axis=1))
    replaces = known.replaces(margins) & ~itself
    gone: Signs = np.asarray(replaces.any(axis=0)) & ~worth
    ruled = []
    for a in range(count):
        if a == use:
            ruled.append(Verdict(USE))
        elif worth[a]:
            ruled.append(Verdict(WORTH))
        elif gone[a]:
            candidates = np.flatnonzero(replaces[:, a])
            # the headline first, then what is not itself replaceable, then the best
            order = np.lexsort((quality.values[candidates], gone[candidates], candidates != use))
            ruled.append(Verdict(REPLACEABLE, candidates[order].tolist()))
        else:
            rivals = np.flatnonzero(~beaten[a])
            order = np.argsort(quality.values[rivals], kind="stable")
            ruled.append(Verdict(UNDECIDED, rivals[order].tolist()))
    return ruled


def decided(ruled: list[Verdict]) -> int:
    """How many settings have a verdict that says something."""
    return sum(verdict.word not in (UNDECIDED, ALONE) for verdict in ruled)
