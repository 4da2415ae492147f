"""Fewer steps of one sampler, uncached, as a curve of distance over log latency: what a cache method has to beat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from bench.judge.curve import Curve
from bench.judge.latency import Latency
from bench.judge.point import Point


def fewer_steps(points: Iterable[Point], family: tuple[Any, ...]) -> list[Point]:
    """The uncached points of one sampler, fastest first: its fewer-steps curve."""
    return sorted((p for p in points if not p.cached and p.family == family), key=lambda p: p.log_latency)


def distinct(curve: Sequence[Point]) -> list[Point]:
    """A curve's knots, of those at one latency the best."""
    best: dict[float, Point] = {}
    for knot in curve:
        known = best.get(knot.log_latency)
        if known is None or knot.corrected < known.corrected:
            best[knot.log_latency] = knot
    return list(best.values())


@dataclass(frozen=True)
class StepsCurve:
    """The curve through `knots` of different latency, fastest first."""

    knots: Sequence[Point]

    @cached_property
    def corrected(self) -> Curve:
        """Of the distances without bias."""
        logs = np.array([knot.log_latency for knot in self.knots])
        return Curve(logs, np.array([knot.corrected for knot in self.knots]))

    @cached_property
    def _replicates(self) -> Curve | None:
        """Of the distances and all their replicates; None where those of the knots do not pair."""
        if len({len(knot.fd) for knot in self.knots}) > 1:
            return None
        return Curve(self.corrected.log_latency, np.stack([knot.fd for knot in self.knots]))

    def at(self, log_latency: float, length: int) -> tuple[list[tuple[float, Point]], list[tuple[float, Latency]]]:
        """What `fd_difference` and `error_of` take for a place between the ends.

        Its fd [`length`] and replicates are on the monotone curve; where the knots' do not pair, on the chord.
        """
        if len(self.knots) == 1:
            return [(1.0, self.knots[0])], [(1.0, self.knots[0].latency)]
        right = int(np.searchsorted(self.corrected.log_latency[1:-1], log_latency, side="right")) + 1
        a, b = self.knots[right - 1], self.knots[right]
        w = (log_latency - a.log_latency) / (b.log_latency - a.log_latency)
        steps = [(1 - w, a.latency), (w, b.latency)]
        if self._replicates is None or len(a.fd) != length:
            return [(1 - w, a), (w, b)], steps
        fd = self._replicates.at(log_latency)
        assert fd is not None, "the place is on the curve"
        return [(1.0, replace(a, fd=fd, fd_se=math.hypot((1 - w) * a.fd_se, w * b.fd_se)))], steps


def steps_curve(points: Iterable[Point], family: tuple[Any, ...]) -> StepsCurve:
    """Of one sampler; without knots where it was not measured uncached."""
    return StepsCurve(distinct(fewer_steps(points, family)))


def steps_curves(points: Sequence[Point]) -> dict[tuple[Any, ...], StepsCurve]:
    """By sampler, of all that have points."""
    uncached: dict[tuple[Any, ...], list[Point]] = {point.family: [] for point in points}
    for point in points:
        if not point.cached:
            uncached[point.family].append(point)
    return {family: steps_curve(own, family) for family, own in uncached.items()}
