"""Which methods are worth using: front, dominated, undecided within the uncertainty of the measurements, or unmatched.

Quality is a Fréchet distance (lower is better). All methods share seeds and labels, so two cells are compared by the
differences of their leave-one-group-out values (paired delete-group jackknife, Shao & Tu 1995, Sec. 2.3), in which
what the samples have in common cancels. Latency is compared on the log scale, paired as well (bench/judge/latency.py).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.judge.conditions import pool_of
from bench.judge.curve import curve_at, slope_at
from bench.judge.latency import Latency, error_of, latencies, pair_errors, sampler_family
from bench.statistics.interval import Z95, Interval
from bench.statistics.jackknife import paired_difference
from bench.statistics.jackknife import quantile as student
from bench.store.stored_cell import Name, StoredCell

VERDICTS = ("front", "unmatched", "undecided", "dominated", "alone")  # the best news first
PAIRED = ("latency_paired_low", "latency_paired_ms", "latency_paired_high")


@dataclass(frozen=True)
class Point:
    """One cell where it stands on the plot. `fd` [1 + G]: the estimate, then the G leave-one-group-out values."""

    key: Name
    family: tuple[Any, ...]  # the sampler with its parameters, without the number of steps
    cached: bool
    log_latency: float
    log_latency_se: float
    fd: np.ndarray
    fd_se: float
    known: Latency | None = None  # with what it shares with others; None: nothing

    @property
    def corrected(self) -> float:
        """`fd` without bias where there are replicates, else the plain one."""
        groups = len(self.fd) - 1
        plain = float(self.fd[0])
        return groups * plain - (groups - 1) * float(self.fd[1:].mean()) if groups > 1 else plain

    @property
    def latency(self) -> Latency:
        return self.known or Latency(self.log_latency, self.log_latency_se, False)


def analyse(cells: Iterable[StoredCell]) -> dict[Name, dict[str, Any]]:
    """For every cell with a place on the plot: `pareto`, `fd_gap`, `fd_gap_low`, `fd_gap_high`, `vs_fewer_steps`.

    Also `by`, the cells (by slug) that dominate it; and `latency_paired_ms`, `_low` and `_high` for every cell whose
    latency is chained to the reference. Only cells of one pool (same model, protocol, features, reference, samples,
    seeds, batch, device, dtype) are compared with each other.
    """
    analysis: dict[Name, dict[str, Any]] = defaultdict(dict)
    for members in pools(cells).values():
        for cell, latency in zip(timed := _timed(members), latencies(timed), strict=True):
            if latency.paired:
                analysis[cell.name] |= dict(zip(PAIRED, latency.interval(), strict=True))
        points = place(members)
        for point in points:
            gap = gap_to_curve(point, points) if point.cached else None
            verdict, by = verdict_of(point, points, gap)
            analysis[point.key] |= {"pareto": verdict, "by": by} | _gap_columns(gap)
    return dict(analysis)


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


def place(cells: Sequence[StoredCell]) -> list[Point]:
    """The points of one pool: cells that have both a Fréchet distance and a latency."""
    timed = _timed(cells)
    pairs = zip(timed, latencies(timed), strict=True)
    return [_point(cell, latency) for cell, latency in pairs if cell.quality.value("fd") is not None]


def _timed(cells: Sequence[StoredCell]) -> list[StoredCell]:
    return [cell for cell in cells if cell.timing.latency_ms]


def _point(cell: StoredCell, latency: Latency) -> Point:
    quality = cell.quality
    return Point(
        key=cell.name,
        family=sampler_family(cell),
        cached=cell.has_baseline,
        log_latency=latency.log,
        log_latency_se=latency.error,
        fd=np.array([quality.value("fd"), *quality.without_groups("fd")], dtype=float),
        fd_se=float(quality.value("fd_se") or 0.0),
        known=latency,
    )


def fewer_steps(points: Iterable[Point], family: tuple[Any, ...]) -> list[Point]:
    """The uncached points of one sampler, fastest first: its fewer-steps curve."""
    return sorted((p for p in points if not p.cached and p.family == family), key=lambda p: p.log_latency)


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
    """fd of a cached `point` minus that of fewer steps of the same sampler at equal measured latency; None off its end.

    The curve is the monotone one through the uncached cells on log latency (bench/judge/curve.py). Slower than its
    slowest cell, that cell is what one would use instead; faster than its fastest cell there is nothing to compare
    with. Errors of all latencies enter through the slope.
    """
    curve = distinct(fewer_steps(points, point.family))
    if not curve or point.log_latency < curve[0].log_latency:
        return None
    if point.log_latency >= curve[-1].log_latency:
        return fd_difference(point, [(1.0, curve[-1])])
    there, steps = on_curve(curve, point.log_latency, len(point.fd))
    logs, values = knots(curve)
    slope = slope_at(logs, values, point.log_latency)
    return fd_difference(point, there, extra=abs(slope) * error_of(point.latency, steps))


def on_curve(
    curve: Sequence[Point], log_latency: float, length: int
) -> tuple[list[tuple[float, Point]], list[tuple[float, Latency]]]:
    """What `fd_difference` and `error_of` take for the place at `log_latency` between the ends of a curve.

    Its fd [`length`] and replicates are on the monotone curve; where the knots' do not pair with them, on the chord.
    """
    if len(curve) == 1:
        return [(1.0, curve[0])], [(1.0, curve[0].latency)]
    logs, _ = knots(curve)
    right = int(np.searchsorted(logs[1:-1], log_latency, side="right")) + 1
    a, b = curve[right - 1], curve[right]
    w = (log_latency - a.log_latency) / (b.log_latency - a.log_latency)
    steps = [(1 - w, a.latency), (w, b.latency)]
    if any(len(knot.fd) != length for knot in curve):
        return [(1 - w, a), (w, b)], steps
    fd = curve_at(logs, np.stack([knot.fd for knot in curve]), log_latency)
    assert fd is not None, "the place is on the curve"
    return [(1.0, replace(a, fd=fd, fd_se=math.hypot((1 - w) * a.fd_se, w * b.fd_se)))], steps


def knots(curve: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
    """Log latencies [K] and distances without bias [K] of a curve's points."""
    return np.array([p.log_latency for p in curve]), np.array([p.corrected for p in curve])


def distinct(curve: Sequence[Point]) -> list[Point]:
    """A curve's knots, of those at one latency the best."""
    best: dict[float, Point] = {}
    for knot in curve:
        known = best.get(knot.log_latency)
        if known is None or knot.corrected < known.corrected:
            best[knot.log_latency] = knot
    return list(best.values())


def latency_difference(a: Point, b: Point) -> Interval:
    """log latency of `a` minus that of `b`, with its 95 % interval."""
    value = a.log_latency - b.log_latency
    half = Z95 * error_of(a.latency, [(1.0, b.latency)])
    return Interval(value, value - half, value + half)


def distance_signs(point: Point, others: Sequence[Point]) -> list[int]:
    """The sign of `fd_difference` from `point` to each of the others: those whose replicates pair with its at once."""
    groups = len(point.fd) - 1
    paired = [p for p in others if groups > 1 and len(p.fd) == len(point.fd)]
    known: dict[Name, int] = {}
    if paired:
        gaps = point.fd - np.stack([p.fd for p in paired])  # [others, 1 + G]
        means = gaps[:, 1:].mean(axis=1)
        corrected = groups * gaps[:, 0] - (groups - 1) * means
        variance = (groups - 1) / groups * ((gaps[:, 1:] - means[:, None]) ** 2).sum(axis=1)
        clear = np.abs(corrected) > student(groups) * np.sqrt(variance)
        known = {p.key: int(sign) for p, sign in zip(paired, np.sign(corrected) * clear, strict=True)}
    return [known[p.key] if p.key in known else fd_difference(point, [(1.0, p)]).sign for p in others]


def latency_signs(point: Point, others: Sequence[Point]) -> list[int]:
    """The sign of `latency_difference` from `point` to each of the others."""
    gaps = point.log_latency - np.array([p.log_latency for p in others])
    clear = np.abs(gaps) > Z95 * pair_errors(point.latency, [p.latency for p in others])
    return [int(sign) for sign in np.sign(gaps) * clear]


def verdict_of(point: Point, points: Sequence[Point], gap: Interval | None) -> tuple[str, list[str]]:
    """(one of VERDICTS, slugs of the cells that certainly dominate it).

    Alone: there is no other cell to compare with. Dominated: some cell is better and faster with both intervals clear
    of 0, or fewer steps of the same sampler are better at equal latency. Unmatched: cached, and every uncached cell is
    certainly slower, so that nothing says what fewer steps would do there. Front: every other cell, and that curve, is
    worse or slower with an interval clear of 0, and an uncached cell was measured as fast as a cached one.
    """
    others = [p for p in points if p.key != point.key]
    if not others:
        return "alone", []
    signs = list(zip(others, distance_signs(point, others), latency_signs(point, others), strict=True))
    by = [p.key[1] for p, worse, slower in signs if worse > 0 and slower > 0]
    if by or (gap is not None and gap.sign > 0):
        return "dominated", by
    if point.cached and all(slower < 0 for p, _, slower in signs if not p.cached):
        return "unmatched", by
    matched = not point.cached or any(p.log_latency <= point.log_latency for p in others if not p.cached)
    clear = matched and all(worse < 0 or slower < 0 for _, worse, slower in signs)
    return ("front" if clear and (gap is None or gap.sign < 0) else "undecided"), by
