"""The fastest setting at a given quality: a line a floor, a step above the reference's distance without bias."""

import math
from dataclasses import dataclass

from bench.judge.choice import Fastest, fastest_within, margins_of
from bench.judge.pareto import latency_difference
from bench.judge.point import Point
from bench.show.report.format import figure, signed
from bench.show.report.group import Group
from bench.show.report.phrases import distance, ms, some
from bench.store.stored_cell import StoredCell

FLOORS = (1.0, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)  # times the reference's distance without bias


@dataclass(frozen=True)
class FastestLine:
    """The fastest setting within one floor."""

    floor: str
    bound: str
    best: str
    distance: str
    margin: str  # above the reference, with its interval
    latency: str
    speedup: str  # over the reference, with its interval
    sure: str  # the fastest whose whole interval is within the floor; "the same" where that is `best`
    sure_latency: str
    ties: list[str]


def fastest_lines(group: Group) -> list[FastestLine]:
    """A line a floor, up to the first that the fastest setting of all is within for certain."""
    reference = group.points.get(group.reference.slug) if group.reference else None
    if reference is None:
        return []
    points, lines = list(group.points.values()), []
    margins = margins_of(points, reference)
    quickest = min(points, key=lambda p: p.log_latency)
    for factor in FLOORS:
        own = max(0.0, reference.corrected)
        bound = factor * own
        fastest = fastest_within(points, reference, bound - own, margins)
        if fastest is None:
            continue
        lines.append(_line(group, reference, factor, bound, fastest))
        if fastest.sure is quickest:
            break
    return lines


def _line(group: Group, reference: Point, factor: float, bound: float, fastest: Fastest) -> FastestLine:
    cell, margin = _cell(group, fastest.point), fastest.margin
    gain = latency_difference(reference, fastest.point)
    ratio, low, high = (figure(math.exp(end)) for end in (gain.value, gain.low, gain.high))
    same = fastest.point.key == reference.key
    return FastestLine(
        "the reference’s" if factor == 1 else f"+{100 * (factor - 1):.0f} %" if factor < 2 else f"{factor:.0f}×",
        figure(bound), cell.method, distance(group, cell),
        "–" if same else f"{signed(margin.value)} [{signed(margin.low)}, {signed(margin.high)}]",
        ms(group, cell), "–" if same else f"{ratio}× [{low}, {high}]",
        *_sure(group, fastest),
        some([_cell(group, tie).method for tie in fastest.ties]),
    )  # fmt: skip


def _sure(group: Group, fastest: Fastest) -> tuple[str, str]:
    """Name and latency of the fastest setting that is within the floor beyond doubt."""
    if fastest.sure is None:
        return "", ""
    if fastest.sure.key == fastest.point.key:
        return "the same", ""
    cell = _cell(group, fastest.sure)
    return cell.method, ms(group, cell)


def _cell(group: Group, point: Point) -> StoredCell:
    return group.by_slug[point.key[1]]
