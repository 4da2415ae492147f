"""Numbers that rank: the speed-up at equal quality of a method, and the hypervolume of a family's front.

Both stand within one pool of cells measured alike (bench/judge/pareto.py), on log latency and Fréchet distance.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bench.judge.decision import reference_of
from bench.judge.hypervolume import hypervolume
from bench.judge.latency import error_of, latency_axis
from bench.judge.pareto import analyse_pool, fd_difference, pools
from bench.judge.point import Point, place
from bench.judge.quality_axis import FD, quality_axis, why_lacking
from bench.judge.steps_curve import StepsCurve, steps_curve, steps_curves
from bench.statistics.interval import Z95, Interval
from bench.store.stored_cell import Name, StoredCell


def ranked(
    cells: Iterable[StoredCell], references: Mapping[str, str] = MappingProxyType({})
) -> dict[Name, dict[str, Any]]:
    """`bench.judge.pareto.analyse`, and `speedup_equal` and `hypervolume`, with `_low` and `_high` (None: open).

    `references`: the suite's reference by model.
    """
    analysis: dict[Name, dict[str, Any]] = {}
    for members in pools(cells).values():
        points = place(members)
        analysis |= analyse_pool(members, points)
        curves = steps_curves(points)
        for point in points:
            ratio = equal_quality(point, curves[point.family]) if point.cached else None
            analysis[point.key] |= _columns("speedup_equal", ratio)
        volumes = hypervolumes(members, references.get(members[0].model))
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
    """`equal_quality` with the curve of fewer steps of the same sampler among `points`."""
    return equal_quality(point, steps_curve(points, point.family))


def equal_quality(point: Point, curve: StepsCurve) -> Interval | None:
    """Latency of fewer steps of the same sampler where they are as good as a cached `point`, over the point's.

    Above 1 the method beats fewer steps. None where the curve (monotone on log latency, without bias) never is just as
    good: its fastest cell is better already, or no cell is good enough. The quality's interval is read off
    the curve, an end beyond the curve is open (infinite); errors of the latencies are added in quadrature.
    """
    where = curve.corrected.crossing(point.corrected) if curve.knots else None
    if where is None:
        return None
    there, steps = curve.at(where, len(point.fd))
    difference = fd_difference(point, there)
    half = (difference.high - difference.low) / 2
    bounds = (point.corrected + half, point.corrected - half)
    ends = [curve.corrected.crossing(bound) if math.isfinite(half) else None for bound in bounds]
    noise = Z95 * error_of(point.latency, steps)
    value = where - point.log_latency
    low, high = (math.inf if end is None else math.hypot(where - end, noise) for end in ends)
    return Interval(math.exp(value), math.exp(value - low) if low < math.inf else -low,
                    math.exp(value + high) if high < math.inf else high)  # fmt: skip


def hypervolumes(cells: Sequence[StoredCell], reference: str | None = None) -> dict[str, Interval]:
    """The hypervolume of each family's front, by `family_name`, of the cells of one pool; empty without a reference.

    `reference`: the suite's slug; without it the slowest uncached cell (bench.judge.decision.reference_of). Cells
    without times or replicates that pair with its own are in no front.
    """
    origin = reference_of(cells, reference)
    judged = [cell for cell in cells if origin is not None and not why_lacking(cell, origin, FD)]
    if origin is None or origin not in judged:
        return {}
    latency, quality = latency_axis(judged), quality_axis(judged, origin, FD)
    families: dict[str, list[int]] = defaultdict(list)
    for number, cell in enumerate(judged):
        families[cell.family].append(number)
    origin_at = judged.index(origin)
    areas = {name: hypervolume(latency, quality, own, origin_at) for name, own in families.items()}
    return {name: volume for name, volume in areas.items() if volume is not None}
