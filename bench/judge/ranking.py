"""Numbers that rank: the speed-up at equal quality of a method, and the hypervolume of a family's front.

Both stand within one pool of cells measured alike (bench/judge/pareto.py), on log latency and Fréchet distance.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.judge.latency import error_of
from bench.judge.pareto import Point, analyse, fd_difference, fewer_steps, place, pools
from bench.statistics.interval import Z95, Interval
from bench.statistics.jackknife import paired_difference
from bench.store.stored_cell import Name, StoredCell

Spot = tuple[float, float]  # log latency, Fréchet distance: both better when lower


def ranked(cells: Iterable[StoredCell]) -> dict[Name, dict[str, Any]]:
    """`bench.judge.pareto.analyse`, and `speedup_equal` and `hypervolume`, with `_low` and `_high` (None: open)."""
    cells = list(cells)
    analysis = analyse(cells)
    for members in pools(cells).values():
        points = place(members)
        for point in points:
            ratio = speedup_at_equal_quality(point, points) if point.cached else None
            analysis[point.key] |= _columns("speedup_equal", ratio)
        volumes = hypervolumes(members)
        for cell in members:
            if "pareto" in analysis.get(cell.name, ()):
                analysis[cell.name] |= _columns("hypervolume", volumes.get(cell.family))
    return analysis


def _columns(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {}
    low, high = (end if math.isfinite(end) else None for end in (interval.low, interval.high))
    return {name: interval.value, f"{name}_low": low, f"{name}_high": high}


def speedup_at_equal_quality(point: Point, points: Sequence[Point]) -> Interval | None:
    """Latency of fewer steps of the same sampler where they are as good as a cached `point`, over the point's.

    Above 1 the method beats fewer steps. None where the curve (linear in log latency, without bias) never is just as
    good: its fastest cell is better already, or no cell is good enough. The quality's interval is read off
    the curve, an end beyond the curve is open (infinite); errors of the latencies are added in quadrature.
    """
    curve = fewer_steps(points, point.family)
    spots = [(knot.log_latency, without_bias(knot)) for knot in curve]
    quality = without_bias(point)
    where = crossing(spots, quality)
    if where is None:
        return None
    log_latency, right, w = where
    a, b = curve[right - 1], curve[right]
    difference = fd_difference(point, [(1 - w, a), (w, b)])
    half = (difference.high - difference.low) / 2
    ends = [crossing(spots, quality + sign * half) if math.isfinite(half) else None for sign in (1, -1)]
    noise = Z95 * error_of(point.latency, [(1 - w, a.latency), (w, b.latency)])
    value = log_latency - point.log_latency
    low, high = (math.hypot(log_latency - end[0], noise) if end else math.inf for end in ends)
    return Interval(math.exp(value), math.exp(value - low) if low < math.inf else -low,
                    math.exp(value + high) if high < math.inf else high)  # fmt: skip


def without_bias(point: Point) -> float:
    """The bias-corrected Fréchet distance where there are replicates, else the plain one."""
    groups = len(point.fd) - 1
    return groups * float(point.fd[0]) - (groups - 1) * float(point.fd[1:].mean()) if groups > 1 else float(point.fd[0])


def crossing(curve: Sequence[Spot], quality: float) -> tuple[float, int, float] | None:
    """Where a curve, fastest knot first, first is as good as `quality`: log latency, its right knot, that one's weight.

    None where the fastest knot is better already, or no knot is good enough.
    """
    if not curve or curve[0][1] < quality:
        return None
    right = next((i for i, knot in enumerate(curve) if i and knot[1] <= quality), None)
    if right is None:
        return None
    (x0, q0), (x1, q1) = curve[right - 1], curve[right]
    w = (q0 - quality) / (q0 - q1) if q0 > q1 else 1.0
    return x0 + w * (x1 - x0), right, w


def hypervolumes(cells: Sequence[StoredCell]) -> dict[str, Interval]:
    """The hypervolume of each family's front, by `family_name`, of the cells of one pool; empty without a box.

    The box spans the pool's uncached cells: its far corner, the reference point, is their slowest latency and worst
    distance, and its area is the unit, so a family that goes beyond its fast or good side can exceed 1. The interval is
    the delete-group jackknife's of the distances, with latencies at their medians; open where replicates do not match.
    """
    points = place(cells)
    names = {cell.name: cell.family for cell in cells}
    families: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        families[names[point.key]].append(point)
    uncached = [p for p in points if not p.cached]
    return {name: v for name, own in families.items() if (v := _volume_interval(own, uncached)) is not None}


def _volume_interval(family: Sequence[Point], uncached: Sequence[Point]) -> Interval | None:
    counts = {len(p.fd) for p in (*family, *uncached)}
    groups = counts.pop() - 1 if len(counts) == 1 else 0
    volumes = [volume_in_box(_spots(family, i), _spots(uncached, i)) for i in range(groups + 1)]
    values = [v for v in volumes if v is not None]
    if volumes[0] is None:
        return None
    if groups < 2 or len(values) < len(volumes):
        return Interval(volumes[0], -math.inf, math.inf)
    error = paired_difference(values[1:], np.zeros(groups), (values[0], 0.0))
    return Interval(volumes[0], max(min(error.low, volumes[0]), 0.0), max(error.high, volumes[0]))


def _spots(points: Sequence[Point], replicate: int) -> list[Spot]:
    return [(p.log_latency, float(p.fd[replicate])) for p in points]


def volume_in_box(spots: Sequence[Spot], corners: Sequence[Spot]) -> float | None:
    """Area dominated by `spots` up to the worst corner of the box around `corners`, over the box; None if flat."""
    if not corners:
        return None
    (fast, slow), (good, bad) = ((min(axis), max(axis)) for axis in zip(*corners, strict=True))
    unit = (slow - fast) * (bad - good)
    return dominated_area(spots, (slow, bad)) / unit if unit > 0 else None


def dominated_area(spots: Iterable[Spot], reference: Spot) -> float:
    """Area of the points that some spot dominates and that dominate `reference` (Zitzler & Thiele 1998)."""
    area, height = 0.0, reference[1]
    for x, y in sorted(spots):
        if x < reference[0] and y < height:
            area += (reference[0] - x) * (height - y)
            height = y
    return area
