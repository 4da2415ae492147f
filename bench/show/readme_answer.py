"""What the README says of the committed results: one sentence over all models, a plot and lines of one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.judge.choice import fastest_within
from bench.judge.pareto import Point, latency_difference
from bench.show.report.format import figure
from bench.show.report.group import Group
from bench.show.report.markup import markdown_table, markdown_text
from bench.show.report.phrases import joined, ms
from bench.show.report.timing_notes import warning_sentence
from bench.store.stored_cell import StoredCell
from models.errors import InputError

WORSE = 0.1  # how far a Fréchet distance may lie above the reference's, as a share of it


def answer_section(groups: Sequence[Group], picture: str) -> str:
    """The README's section in Markdown. Raises InputError where the first model has no reference or no plot."""
    first = groups[0]
    return (
        f"{sentence(groups)}\n\n![Quality against latency on {first.model}]({picture})\n\n"
        f"Up is worse, right is slower; the line is the sampler with fewer steps. On {first.model} the fastest\n"
        f"setting of every family that passes the same test (its whole 95 % interval within the bound):\n\n"
        f"{lines(first)}\n"
        f"{markdown_text(warning_sentence(first.cells))}\n"
    )


def sentence(groups: Sequence[Group]) -> str:
    """The fastest setting of each model that is surely nearly as good as the reference."""
    reference = reference_cell(groups[0]).method
    found = [f"{method(group, best)} on {group.model} ({latencies(group, best)})" for group, best in winners(groups)]
    cached = [point.cached for _, point in winners(groups)]
    kind = "fewer steps, no cache" if not any(cached) else "a cache" if all(cached) else "a cache on some"
    return (
        f"**The fastest setting whose Fréchet distance is certainly at most {100 * WORSE:.0f} % above {reference}'s is "
        f"{markdown_text(joined(found))}: {kind}.**"
    )


def winners(groups: Sequence[Group]) -> list[tuple[Group, Point]]:
    """Every model's fastest sure setting; the reference itself passes, so there always is one."""
    return [(group, best) for group in groups if (best := surely_fastest(group, list(group.points.values())))]


def lines(group: Group) -> str:
    """A table with the fastest sure setting of every family, slowest first."""
    families = {name: [p for p in group.points.values() if family_of(group, p) == name] for name in group.families}
    passed = [best for points in families.values() if (best := surely_fastest(group, points))]
    passed.sort(key=lambda point: -point.log_latency)
    reference = reference_cell(group).method
    headings = ["Setting", group.heading, "Latency, ms", f"Times as fast as {reference}"]
    return markdown_table(headings, [row(group, point) for point in passed])


def row(group: Group, point: Point) -> list[str]:
    verdict = group.table.iloc[group.positions[point.key[1]]]
    low, value, high = (figure(end) for end in group.latency(cell_of(group, point)))
    gain = latency_difference(group.points[reference_cell(group).slug], point)
    ratio, least, most = (figure(math.exp(end)) for end in (gain.value, gain.low, gain.high))
    return [method(group, point), figure(verdict["fd"]), f"{value} [{low}, {high}]", f"{ratio} [{least}, {most}]"]


def surely_fastest(group: Group, points: Sequence[Point]) -> Point | None:
    """The fastest of some points whose whole interval is within the bound; None where there is none."""
    reference = group.points[reference_cell(group).slug]
    found = fastest_within(points, reference, WORSE * float(reference.fd[0]))
    return found.sure if found else None


def latencies(group: Group, point: Point) -> str:
    return f"{ms(group, cell_of(group, point))} instead of {ms(group, reference_cell(group))}"


def reference_cell(group: Group) -> StoredCell:
    if group.reference is None or group.reference.slug not in group.points:
        raise InputError(f"{group.model}: no reference with both a {group.distance} and a latency")
    return group.reference


def cell_of(group: Group, point: Point) -> StoredCell:
    return group.by_slug[point.key[1]]


def method(group: Group, point: Point) -> str:
    return cell_of(group, point).method


def family_of(group: Group, point: Point) -> str:
    return cell_of(group, point).family
