"""Which points of a pool are certainly better or faster than which: all pairs, some rows of their matrix at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.judge.latency import PairErrors
from bench.judge.point import Point
from bench.statistics.interval import Z95
from bench.statistics.jackknife import quantile as student
from bench.statistics.simultaneous import Axis, from_jackknife

Signs = NDArray[np.int8]
FRONT, UNMATCHED, UNDECIDED, DOMINATED, ALONE = VERDICTS = ("front", "unmatched", "undecided", "dominated", "alone")


@dataclass(frozen=True)
class Alike:
    """Points whose replicates pair: their places among all, and their distances with what these share."""

    places: NDArray[np.intp]
    axis: Axis


class Standing:
    """Signs of differences between the points [S]: 1 where a row is certainly more than a column, -1 where less."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points
        self.logs = np.array([p.log_latency for p in points])
        self.latency_errors = PairErrors([p.latency for p in points])
        self.plain = np.array([float(p.fd[0]) for p in points])
        self.errors = np.array([p.fd_se for p in points])
        self.cached = np.array([p.cached for p in points], dtype=bool)
        lengths = np.array([len(p.fd) for p in points])
        self.alike = [self._alike(np.flatnonzero(lengths == n)) for n in np.unique(lengths[lengths > 2])]

    def _alike(self, places: NDArray[np.intp]) -> Alike:
        fd = np.stack([self.points[place].fd for place in places])  # [S,1+G]
        return Alike(places, from_jackknife(fd[:, 0], fd[:, 1:].T))

    def latency(self, rows: slice) -> Signs:
        """[R,S], as `pareto.latency_difference` of each pair."""
        gaps = self.logs[rows, None] - self.logs
        return _signs(gaps, Z95 * self.latency_errors.of(rows))

    def distance(self, rows: slice) -> Signs:
        """[R,S], as `pareto.fd_difference` of each pair."""
        known = (self.errors[rows, None] > 0) & (self.errors > 0)
        halves = np.where(known, Z95 * np.hypot(self.errors[rows, None], self.errors), np.inf)
        signs = _signs(self.plain[rows, None] - self.plain, halves)
        for alike in self.alike:
            first, last = np.searchsorted(alike.places, (rows.start, rows.stop))
            own, some = alike.axis, slice(first, last)
            paired = _signs(own.gaps_of(some), student(own.freedom + 1) * own.errors_of(some))  # type: ignore[operator]
            signs[np.ix_(alike.places[some] - rows.start, alike.places)] = paired
        return signs

    def verdicts(self, rows: slice, gaps: Sequence[int | None]) -> list[tuple[str, list[str]]]:
        """(one of VERDICTS, slugs of the points that certainly dominate it) of every row.

        `gaps`: the sign of each row's gap to fewer steps of its sampler. Alone: there is no other point to compare
        with. Dominated: some point is better and faster with both intervals clear of 0, or fewer steps of the same
        sampler are better at equal latency. Unmatched: cached, and every uncached point is certainly slower, so that
        nothing says what fewer steps would do there. Front: every other point, and that curve, is worse or slower with
        an interval clear of 0, and an uncached point was measured as fast as a cached one.
        """
        if len(self.points) == 1:
            return [(ALONE, [])]
        worse, slower = self.distance(rows), self.latency(rows)
        settings = np.arange(len(self.points))
        others = settings[rows, None] != settings
        above = (worse > 0) & (slower > 0) & others
        beaten_by_none = ((worse < 0) | (slower < 0) | ~others).all(axis=1)
        first = ((slower < 0) | self.cached | ~others).all(axis=1)  # faster than every uncached one
        as_fast = ((self.logs <= self.logs[rows, None]) & ~self.cached & others).any(axis=1)
        told = []
        for row, (place, gap) in enumerate(zip(settings[rows], gaps, strict=True)):
            by = [self.points[i].key[1] for i in np.flatnonzero(above[row]).tolist()]
            cached = bool(self.cached[place])
            if by or (gap is not None and gap > 0):
                told.append((DOMINATED, by))
            elif cached and first[row]:
                told.append((UNMATCHED, by))
            else:
                clear = beaten_by_none[row] and (not cached or as_fast[row])
                told.append((FRONT if clear and (gap is None or gap < 0) else UNDECIDED, by))
        return told


def _signs(gaps: NDArray[np.float64], halves: NDArray[np.float64]) -> Signs:
    """Of gaps that are farther from 0 than half their interval."""
    return (np.sign(gaps) * (np.abs(gaps) > halves)).astype(np.int8)
