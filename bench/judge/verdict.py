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

from bench.statistics.simultaneous import ALL, Axis, blocks
from models.errors import InputError

USE, WORTH, REPLACEABLE, UNDECIDED, ALONE = VERDICTS = ("use", "worth", "replaceable", "undecided", "alone")
WRONG = 0.035  # below 0.05: which rival a statement names is chosen by the same samples
HEADLINE_WRONG = 0.05
ONE_SIDED = 0.025  # of two-sided 95 %
NAMED = 50  # at most, of the settings that a verdict names
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
    """`by`: the setting that replaces it, first, or its rivals, nearest first, at most NAMED; empty for the others."""

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
    """What intervals of both axes exclude, `fast` and `good` standard errors wide each way."""

    latency: Axis
    quality: Axis
    fast: float
    good: float

    def high(self, rows: slice = ALL) -> High:
        """Of the gaps of some settings to all."""
        return High(self.latency.ends(self.fast, rows)[1], self.quality.ends(self.good, rows)[1])

    @property
    def faster(self) -> Signs:
        return self.high().faster

    def replaces(self, margins: Margins) -> Signs:
        return self.high().replaces(margins)


@dataclass(frozen=True)
class High:
    """High ends [R,S] of the intervals of gaps; element [a,b] speaks of a against b."""

    latency: Array
    quality: Array

    @property
    def faster(self) -> Signs:
        return self.latency < 0

    @property
    def better(self) -> Signs:
        return self.quality < 0

    def replaces(self, margins: Margins) -> Signs:
        """a is certainly better than b on one axis, and certainly no more than the margin worse on the other."""
        by_speed = self.faster & (self.quality <= margins.quality)
        by_quality = self.better & (self.latency <= margins.latency)
        return by_speed | by_quality


def certain(latency: Axis, quality: Axis, margins: Margins) -> Certain:
    """Intervals of all gaps at the level that keeps the false share of a report's statements below 5 %."""
    level = 1 - 2 * threshold(chances(latency, quality, margins))
    return Certain(latency, quality, latency.pointwise(level), quality.pointwise(level))


def simultaneous(latency: Axis, quality: Axis) -> Certain:
    """Intervals of all gaps that hold at once in 95 % of reports: not a single false statement in those."""
    fast, good = 1 - 2 * ONE_SIDED * LATENCY_SHARE, 1 - 2 * ONE_SIDED * (1 - LATENCY_SHARE)
    return Certain(latency, quality, latency.critical(fast), quality.critical(good))


def chances(latency: Axis, quality: Axis, margins: Margins) -> Array:
    """Of every setting [S], how probable the clearest statement about it is by chance alone; 1 where above WRONG."""
    doubts = np.full(len(latency.values), 1.01 * WRONG)
    for rows in blocks(len(doubts)):
        faster, better = latency.clearness(0.0, rows), quality.clearness(0.0, rows)
        _worth(doubts, rows, (latency, faster), (quality, better))
        _replaceable(doubts, (latency, faster), (quality, quality.clearness(margins.quality, rows)))
        _replaceable(doubts, (quality, better), (latency, latency.clearness(margins.latency, rows)))
    return np.where(doubts <= WRONG, doubts, 1.0)


Clear = tuple[Axis, Array]  # an axis, and how clearly [R,S] a setting lies below another there


def _replaceable(doubts: Array, one: Clear, other: Clear) -> None:
    """Lower every column's doubt to the larger of two chances, where both are lower: only there they are worked out."""
    (first, x), (second, y) = one, other
    rows, columns = np.nonzero((x >= first.clear_enough(doubts)) & (y >= second.clear_enough(doubts)))
    both = np.maximum(first.chance(x[rows, columns]), second.chance(y[rows, columns]))
    np.minimum.at(doubts, columns, both)


def _worth(doubts: Array, rows: slice, one: Clear, other: Clear) -> None:
    """Lower the doubt of those rows to which no column comes close on either axis; a setting is no rival of itself."""
    (first, x), (second, y) = one, other
    settings = np.arange(len(doubts))
    itself = settings[rows, None] == settings
    near = (x < first.clear_enough(WRONG)) & (y < second.clear_enough(WRONG)) & ~itself
    clear = np.flatnonzero(~near.any(axis=1))
    either = np.where(itself[clear], 0.0, np.minimum(first.chance(x[clear]), second.chance(y[clear])))
    places = settings[rows][clear]
    doubts[places] = np.minimum(doubts[places], either.max(axis=1, initial=0.0))


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
    gaps, errors = quality.against(reference)
    itself = np.arange(len(gaps)) == reference
    usual = gaps - quality.pointwise(1 - 2 * ONE_SIDED) * errors - quality.slack * ~itself
    order = [int(s) for s in np.argsort(latency.values, kind="stable")]
    contenders = [s for s in order[: order.index(reference)] if usual[s] <= margins.allowance]
    passed, certain_above = reference, 0.0
    for place, s in enumerate(contenders, start=1):
        chance = HEADLINE_WRONG / 2 * (1 / len(contenders) + 0.5**place)
        high = float(gaps[s] + quality.pointwise(1 - 2 * chance) * errors[s] + quality.slack)
        if high <= margins.allowance:
            passed, certain_above = s, max(high, 0.0)
            break
    logs, log_errors = latency.against(reference)
    half = latency.pointwise(1 - 2 * ONE_SIDED) * log_errors[passed] + latency.slack * ~itself[passed]
    value, low, high = (float(np.exp(-logs[passed] + side * half)) for side in (0, -1, 1))
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
    beaten, replaces = _against_each_other(known, margins)
    worth: Signs = np.asarray(beaten.all(axis=1))
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
            ruled.append(Verdict(REPLACEABLE, candidates[order[:NAMED]].tolist()))
        else:
            rivals = np.flatnonzero(~beaten[a])
            order = np.argsort(quality.values[rivals], kind="stable")
            ruled.append(Verdict(UNDECIDED, rivals[order[:NAMED]].tolist()))
    return ruled


def _against_each_other(known: Certain, margins: Margins) -> tuple[Signs, Signs]:
    """[S,S]: that b is a itself, or certainly worse or slower than a; and that a replaces another one, b."""
    count = len(known.latency.values)
    beaten, replaces = np.empty((count, count), dtype=bool), np.empty((count, count), dtype=bool)
    for rows in blocks(count):
        high = known.high(rows)
        beaten[rows], replaces[rows] = high.better | high.faster, high.replaces(margins)
    np.fill_diagonal(beaten, True)
    np.fill_diagonal(replaces, False)
    return beaten, replaces


def decided(ruled: list[Verdict]) -> int:
    """How many settings have a verdict that says something."""
    return sum(verdict.word not in (UNDECIDED, ALONE) for verdict in ruled)
