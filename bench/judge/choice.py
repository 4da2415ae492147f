"""Which setting to take: the best within a latency budget, and the fastest within a bound on quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.judge.pareto import fd_difference, latency_difference
from bench.judge.point import Point
from bench.statistics.interval import Interval
from bench.store.stored_cell import Name


def best_within(points: Sequence[Point], log_latency: float) -> tuple[Point, list[Point]] | None:
    """The lowest fd, without bias, of points no slower than `log_latency`, and what cannot be told from it, or None."""
    fast = [p for p in points if p.log_latency <= log_latency]
    if not fast:
        return None
    best = min(fast, key=lambda p: p.corrected)
    ties = [p for p in fast if p is not best and fd_difference(p, [(1.0, best)]).sign <= 0]
    return best, sorted(ties, key=lambda p: p.corrected)


@dataclass(frozen=True)
class Fastest:
    """The fastest setting within a bound on fd, and how sure that is.

    The truly fastest within the bound is `point`, `sure` or one of `ties`, in 95 % of cases.
    """

    point: Point
    margin: Interval  # of its fd above the reference's, paired
    sure: Point | None  # the fastest whose whole interval is within the bound
    ties: list[Point]  # others that may be within the bound, and are not certainly slower than `sure`; fastest first


def fastest_within(
    points: Sequence[Point], reference: Point, allowance: float, known: Mapping[Name, Interval] | None = None
) -> Fastest | None:
    """The fastest point whose fd is at most `allowance` above that of `reference`; None if none.

    Decided by the paired difference to the reference, without bias (bench.judge.pareto.fd_difference). `allowance` is a
    given number, in units of fd: its own error does not count. `known`: `margins_of` the points, if at hand.
    """
    ordered = sorted(points, key=lambda p: p.log_latency)
    margins = margins_of(points, reference) if known is None else known
    within = [p for p in ordered if margins[p.key].value <= allowance]
    if not within:
        return None
    best = within[0]
    sure = next((p for p in ordered if margins[p.key].high <= allowance), None)
    others = [p for p in ordered if p not in (best, sure) and margins[p.key].low <= allowance]
    # Against `sure` alone: `best` itself may miss the bound, so what is slower than it may still be the fastest.
    ties = [p for p in others if sure is None or latency_difference(p, sure).sign <= 0]
    return Fastest(best, margins[best.key], sure, ties)


def margins_of(points: Sequence[Point], reference: Point) -> dict[Name, Interval]:
    """What every point's fd lies above that of `reference`."""
    return {p.key: above(p, reference) for p in points}


def above(point: Point, reference: Point) -> Interval:
    """fd of `point` minus that of `reference`, with its 95 % interval; the reference is not above itself."""
    if point.key == reference.key:
        return Interval(0.0, 0.0, 0.0)
    return fd_difference(point, [(1.0, reference)])
