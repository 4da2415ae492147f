"""Which methods are worth using: front, dominated, undecided within the uncertainty of the measurements, or unmatched.

Quality is a Fréchet distance (lower is better). All methods share seeds and labels, so two cells are compared by the
differences of their leave-one-group-out values (paired delete-group jackknife, Shao & Tu 1995, Sec. 2.3), in which
what the samples have in common cancels. Latency is compared on the log scale, paired as well (bench/judge/latency.py).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.judge.conditions import pool_of
from bench.judge.latency import error_of, latencies
from bench.judge.point import Point, place, timed_of
from bench.judge.standing import VERDICTS as VERDICTS
from bench.judge.standing import Standing
from bench.judge.steps_curve import StepsCurve, steps_curve, steps_curves
from bench.statistics.interval import Z95, Interval
from bench.statistics.jackknife import paired_difference
from bench.statistics.jackknife import quantile as student
from bench.statistics.simultaneous import blocks
from bench.store.stored_cell import Name, StoredCell

PAIRED = ("latency_paired_low", "latency_paired_ms", "latency_paired_high")


def analyse(cells: Iterable[StoredCell]) -> dict[Name, dict[str, Any]]:
    """For every cell with a place on the plot: `pareto`, `fd_gap`, `fd_gap_low`, `fd_gap_high`, `vs_fewer_steps`.

    Also `by`, the cells (by slug) that dominate it; and `latency_paired_ms`, `_low` and `_high` for every cell whose
    latency is chained to the reference. Only cells of one pool (same model, protocol, features, reference, samples,
    seeds, batch, device, dtype) are compared with each other.
    """
    analysis: dict[Name, dict[str, Any]] = defaultdict(dict)
    for members in pools(cells).values():
        for name, columns in analyse_pool(members, place(members)).items():
            analysis[name] |= columns
    return dict(analysis)


def analyse_pool(members: Sequence[StoredCell], points: Sequence[Point]) -> dict[Name, dict[str, Any]]:
    """The same of one pool, whose points are at hand."""
    analysis: dict[Name, dict[str, Any]] = defaultdict(dict)
    for cell, latency in zip(timed := timed_of(members), latencies(timed), strict=True):
        if latency.paired:
            analysis[cell.name] |= dict(zip(PAIRED, latency.interval(), strict=True))
    curves, standing = steps_curves(points), Standing(points)
    for rows in blocks(len(points)):
        gaps = [gap_to(point, curves[point.family]) if point.cached else None for point in points[rows]]
        signs = [None if gap is None else gap.sign for gap in gaps]
        for point, gap, (verdict, by) in zip(points[rows], gaps, standing.verdicts(rows, signs), strict=True):
            analysis[point.key] |= {"pareto": verdict, "by": by} | _gap_columns(gap)
    return analysis


def _gap_columns(gap: Interval | None) -> dict[str, Any]:
    if gap is None:
        return {}
    words = {1: "worse", -1: "better", 0: "undecided"}
    return {"fd_gap": gap.value, "fd_gap_low": gap.low, "fd_gap_high": gap.high, "vs_fewer_steps": words[gap.sign]}


def pools(cells: Iterable[StoredCell]) -> dict[tuple[str, ...], list[StoredCell]]:
    """Cells measured alike, so that their numbers may stand in one column. Cells that are not ok are in none."""
    alike: dict[tuple[str, ...], list[StoredCell]] = defaultdict(list)
    for cell in cells:
        if cell.is_ok:
            alike[tuple(map(str, pool_of(cell).values()))].append(cell)
    return dict(alike)


def fd_difference(a: Point, terms: Sequence[tuple[float, Point]], extra: float = 0.0) -> Interval:
    """fd of `a` minus the weighted sum of the others' fd, with its 95 % interval.

    With G replicates each: the bias-corrected difference, the paired jackknife error and Student's t with G - 1 degrees
    of freedom; plain differences miss the truth where one is much farther off than the other (docs/uncertainty.md).
    Without replicates that pair, the standard errors are added as if independent. `extra` is a further
    standard error, in units of fd.
    """
    value = float(a.fd[0]) - sum(w * float(p.fd[0]) for w, p in terms)
    groups = len(a.fd) - 1
    if groups > 1 and all(len(p.fd) == len(a.fd) for _, p in terms):
        others = np.sum([w * p.fd for w, p in terms], axis=0)
        difference = paired_difference(a.fd[1:], others[1:], (float(a.fd[0]), float(others[0])))
        value, se, quantile = difference.corrected, difference.standard_error, student(groups)
    else:
        if not a.fd_se or not all(p.fd_se for _, p in terms):
            return Interval(value, -math.inf, math.inf)  # nothing is known about the error: nothing is decided
        se = math.hypot(a.fd_se, *(w * p.fd_se for w, p in terms))
        quantile = Z95
    half = quantile * math.hypot(se, extra)
    return Interval(value, value - half, value + half)


def gap_to_curve(point: Point, points: Sequence[Point]) -> Interval | None:
    """`gap_to` the curve of fewer steps of the same sampler among `points`."""
    return gap_to(point, steps_curve(points, point.family))


def gap_to(point: Point, curve: StepsCurve) -> Interval | None:
    """fd of a cached `point` minus that of fewer steps at equal measured latency; None off the curve's end.

    The curve is the monotone one through the uncached cells on log latency (bench/judge/curve.py). Slower than its
    slowest cell, that cell is what one would use instead; faster than its fastest cell there is nothing to compare
    with. Errors of all latencies enter through the slope.
    """
    knots = curve.knots
    if not knots or point.log_latency < knots[0].log_latency:
        return None
    if point.log_latency >= knots[-1].log_latency:
        return fd_difference(point, [(1.0, knots[-1])])
    there, steps = curve.at(point.log_latency, len(point.fd))
    slope = curve.corrected.slope(point.log_latency)
    return fd_difference(point, there, extra=abs(slope) * error_of(point.latency, steps))


def latency_difference(a: Point, b: Point) -> Interval:
    """log latency of `a` minus that of `b`, with its 95 % interval."""
    value = a.log_latency - b.log_latency
    half = Z95 * error_of(a.latency, [(1.0, b.latency)])
    return Interval(value, value - half, value + half)
