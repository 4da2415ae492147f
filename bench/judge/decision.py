"""What a report says of the cells that were measured alike: one headline, one ruling a cell, what to use at each speed.

The rule is bench/judge/verdict.py's; here are the axes that it is applied to, made of stored cells, and its answer by
the cells' names. Report, site, README and gate read the same `Decision`. `fd` is quality; `fd_own` and `ode_error` are
fidelity to the reference and to the model's own ODE, and never called quality.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.judge.latency import latency_axis
from bench.judge.quality_axis import FD, ODE_ERROR, quality_axis, why_lacking
from bench.judge.verdict import ALONE, ONE_SIDED, UNDECIDED, USE, WORTH, Margins, Verdict, certain, headline, verdicts
from bench.judge.verdict import Headline as Best
from bench.statistics.interval import Interval
from bench.statistics.simultaneous import Axis
from bench.store.stored_cell import StoredCell
from bench.suite.judging import DEFAULT, Judging

SPEEDS = (1.5, 2.0, 3.0, 5.0, 8.0)  # times the reference's: where one line of the short list ends and the next begins


@dataclass(frozen=True)
class Ruling:
    """One of `verdict.VERDICTS` on a setting. `by`: slugs of what replaces it, first, or of its rivals, nearest first.

    `lacks`: why nothing can be said of it, in words; then it is undecided, without rivals.
    """

    word: str
    by: tuple[str, ...] = ()
    lacks: str = ""


@dataclass(frozen=True)
class Headline:
    """The setting to use, by slug; how many times as fast as the reference it is, and how far above it at most.

    `above` is in the axis's units, certain at 95 %. `faster`: slugs that may be within the bound too, fastest first.
    """

    setting: str
    speedup: Interval
    above: float
    faster: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """Of one group and one axis (`axis`: fd, fd_own or ode_error). Everything is by slug, whatever the cells' order.

    `headline` is None where the reference has no place on both axes; then no ruling is decided. `above` and `speedups`
    hold every judged setting's difference to the reference, and latency ratio to it, with 95 % intervals, each by
    itself. `speeds`: what to use at each speed, slowest first, at most six. `reference_value` is the reference's own.
    """

    axis: str
    reference: str | None
    headline: Headline | None
    rulings: Mapping[str, Ruling]
    speeds: tuple[str, ...] = ()
    above: Mapping[str, Interval] = field(default_factory=dict)
    speedups: Mapping[str, Interval] = field(default_factory=dict)
    margins: Margins | None = None  # None where there was nothing that they are shares of
    reference_value: float | None = None
    judging: Judging = DEFAULT

    @property
    def decided(self) -> int:
        """How many settings have a ruling that says something."""
        return sum(ruling.word not in (UNDECIDED, ALONE) for ruling in self.rulings.values())


@dataclass(frozen=True)
class Against:
    """What a `Decision` says of differences to the reference alone; empty where that has no place on both axes."""

    above: Mapping[str, Interval] = field(default_factory=dict)
    speedups: Mapping[str, Interval] = field(default_factory=dict)
    reference_value: float | None = None


def decide(cells: Iterable[StoredCell], reference: str | None, judging: Judging = DEFAULT) -> Decision:
    """The decision on cells of one pool (bench.judge.pareto.pools). `reference`: the suite's slug, if it states one.

    Without one the slowest uncached cell is the reference. Cells without times or replicates are undecided, and their
    rulings say what they lack. Where no cell has any samples, nothing is ruled: there was no question of quality.
    """
    ordered = sorted((cell for cell in cells if cell.is_ok), key=lambda cell: cell.slug)
    known = reference_of(ordered, reference)
    if not any(cell.quality.samples for cell in ordered):
        return Decision(judging.axis, known.slug if known else None, None, {}, judging=judging)
    lacking = {cell.slug: why_lacking(cell, known, judging.axis) for cell in ordered}
    nothing = {slug: Ruling(UNDECIDED, (), why) for slug, why in lacking.items() if why}
    judged = [cell for cell in ordered if not lacking[cell.slug]]
    if known is None or known.slug in nothing:
        told = {cell.slug: Ruling(UNDECIDED, (), "the reference cannot be judged") for cell in judged}
        return Decision(judging.axis, known.slug if known else None, None, nothing | told, judging=judging)
    decision = rule(judged, known, judging)
    return replace(decision, rulings={**decision.rulings, **nothing})


def against(cells: Iterable[StoredCell], reference: str | None, axis: str) -> Against:
    """What `decide` would say of differences to the reference on an axis that nothing is ruled by."""
    ordered = sorted((cell for cell in cells if cell.is_ok), key=lambda cell: cell.slug)
    known = reference_of(ordered, reference)
    if known is None or why_lacking(known, known, axis) or not any(cell.quality.samples for cell in ordered):
        return Against()
    judged = [cell for cell in ordered if not why_lacking(cell, known, axis)]
    return _against(judged, known, latency_axis(judged), quality_axis(judged, known, axis))


def reference_of(cells: Sequence[StoredCell], slug: str | None) -> StoredCell | None:
    """What others are counted from: the suite's reference, else the slowest uncached timed cell."""
    stated = [cell for cell in cells if cell.slug == slug]
    uncached = [cell for cell in cells if not cell.has_baseline and cell.timing.latency_ms]
    return stated[0] if stated else max(uncached, key=_own_latency, default=None)


def _own_latency(cell: StoredCell) -> float:
    return cell.timing.latency_ms.median if cell.timing.latency_ms else 0.0


def rule(cells: Sequence[StoredCell], reference: StoredCell, judging: Judging) -> Decision:
    """The decision on cells that lack nothing, in the order of their slugs; the reference is one of them."""
    slugs = [cell.slug for cell in cells]
    origin = slugs.index(reference.slug)
    latency, quality = latency_axis(cells), quality_axis(cells, reference, judging.axis)
    margins = margins_of(reference, judging)
    best = headline(latency, quality, origin, margins)
    ruled = verdicts(latency, quality, certain(latency, quality, margins), margins, best.setting)
    rulings = dict(zip(slugs, (_ruling(verdict, slugs) for verdict in ruled), strict=True))
    beside = _against(cells, reference, latency, quality)
    speeds = at_each_speed(rulings, beside.speedups, dict(zip(slugs, quality.values.tolist(), strict=True)))
    return Decision(
        judging.axis, reference.slug, _headline(best, slugs), rulings, speeds, beside.above, beside.speedups, margins,
        beside.reference_value, judging,
    )  # fmt: skip


def _against(cells: Sequence[StoredCell], reference: StoredCell, latency: Axis, quality: Axis) -> Against:
    slugs = [cell.slug for cell in cells]
    origin = slugs.index(reference.slug)
    ratios = map(_exp, _gaps(latency, origin, sign=-1))
    above, speedups = (dict(zip(slugs, gaps, strict=True)) for gaps in (_gaps(quality, origin), ratios))
    return Against(above, speedups, float(quality.values[origin]))


def margins_of(reference: StoredCell, judging: Judging) -> Margins:
    """Margins in the axis's units: shares of the reference's corrected distance; of an error, which has no unit, as is.

    A distance is at least 0, so a corrected one that is below allows nothing.
    """
    unit = 1.0 if judging.axis == ODE_ERROR else max(0.0, float(quality_axis([reference], reference, FD).values[0]))
    return Margins(judging.quality * unit, math.log1p(judging.latency), judging.bound * unit)


def at_each_speed(
    rulings: Mapping[str, Ruling], speedups: Mapping[str, Interval], values: Mapping[str, float]
) -> tuple[str, ...]:
    """Of every speed the best setting that is to use or worth its time, slowest first; the headline before others."""
    lines: dict[int, str] = {}
    for slug, ruling in rulings.items():
        if ruling.word not in (USE, WORTH, ALONE):
            continue
        speed = sum(speedups[slug].value >= end for end in SPEEDS)
        if speed not in lines or _rank(slug, rulings, values) < _rank(lines[speed], rulings, values):
            lines[speed] = slug
    return tuple(lines[speed] for speed in sorted(lines))


def _rank(slug: str, rulings: Mapping[str, Ruling], values: Mapping[str, float]) -> tuple[bool, float, str]:
    return rulings[slug].word != USE, values[slug], slug


def _ruling(verdict: Verdict, slugs: Sequence[str]) -> Ruling:
    return Ruling(verdict.word, tuple(slugs[b] for b in verdict.by))


def _headline(best: Best, slugs: Sequence[str]) -> Headline:
    return Headline(slugs[best.setting], Interval(*best.speedup), best.above, tuple(slugs[s] for s in best.faster))


def _gaps(axis: Axis, origin: int, sign: int = 1) -> list[Interval]:
    """Every setting's value less that of setting `at` (the other way round for sign -1), with its 95 % interval."""
    gaps, errors = axis.against(origin)
    half = axis.pointwise(1 - 2 * ONE_SIDED) * errors + axis.slack * (np.arange(len(gaps)) != origin)
    ends = np.stack([gaps, gaps - half, gaps + half])  # [3,S]: value, low, high
    value, low, high = ends if sign > 0 else -ends[[0, 2, 1]]
    return [Interval(*map(float, row)) for row in zip(value, low, high, strict=True)]


def _exp(interval: Interval) -> Interval:
    """A ratio from the interval of its logarithm."""
    return Interval(math.exp(interval.value), math.exp(interval.low), math.exp(interval.high))
