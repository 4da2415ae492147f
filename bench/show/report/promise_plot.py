"""Measured speed-up of every cache setting against what its MACs promise, as SVG: FLOPs are no latency.

On the diagonal a setting is as much faster as it saves MACs; below it, saved arithmetic did not become saved time. A
dash is a setting's roofline-ideal: what reading reused tensors leaves of the promise (bench/cost/roofline.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from bench.engines import OURS
from bench.show.report.axes import scale
from bench.show.report.format import figure, percent
from bench.show.report.gap_plot import BOTTOM, CHARACTER, HEIGHT, LEFT, RIGHT, TOP, WIDTH, short
from bench.show.report.group import Group
from bench.show.report.labels import Label, place_labels
from bench.show.report.markers import dots, marker, styles
from bench.show.report.svg import element, path
from bench.store.stored_cell import StoredCell

KEY, NAME = "speedup_ideal", "Speed against MACs"
INSIDE = LEFT + 46  # where the axis begins, right of the tick labels
DASH = 7.0  # half the length of the mark of a roofline-ideal


@dataclass(frozen=True)
class Kept:
    """A setting's promise and what was measured of it: times as fast as the same sampler uncached."""

    cell: StoredCell
    promised: float
    measured: tuple[float, float, float]  # low, median, high
    roofline: float | None


def kept(group: Group) -> list[Kept]:
    """Of every cached setting of our own code whose work is known beforehand: its MAC-ideal and its speed-up."""
    return [
        Kept(cell, ideal, (speedup.low, speedup.median, speedup.high), cell.timing.speedup_roofline)
        for cell in group.timed
        if cell.is_cached and cell.engine == OURS
        if (ideal := cell.timing.speedup_ideal) and (speedup := cell.timing.speedup)
    ]


class PromisePlot:
    """One group's plot; for two settings and more."""

    def __init__(self, group: Group, settings: list[Kept]) -> None:
        self.group, self.of = group, {one.cell.slug: one for one in settings}
        ends = [end for one in settings for end in (one.promised, *one.measured, one.roofline or one.promised)]
        self.x = scale([1.0, *ends], INSIDE, WIDTH - RIGHT, log=True)
        self.y = scale([1.0, *ends], HEIGHT - BOTTOM, TOP, log=True)  # the same ends: the diagonal is equality
        self.styles = styles(group.families)

    def svg(self) -> Markup:
        """The plot as an SVG element."""
        title = f"{self.group.title}: measured speed-up against what MACs promise"
        shown = {cell.slug for cell in self.group.shown}
        cells = [one.cell for one in self.of.values()]
        marks = (one for slug, one in self.of.items() if slug in shown)
        return element(
            "svg", element("title", title), self._axes(), *dots(self.group, cells, self.place, self.styles),
            *map(self._mark, marks), *self._labels(),
            viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", role="img", aria_label=title, class_="gaps",
        )  # fmt: skip

    def place(self, cell: StoredCell) -> tuple[float, float]:
        """Coordinates of a setting's marker."""
        one = self.of[cell.slug]
        return self.x(one.promised), self.y(one.measured[1])

    def _axes(self) -> Markup:
        low, high, bottom = self.x.low, self.x.high, HEIGHT - BOTTOM
        parts = []
        for tick in self.x.ticks():
            x, y = self.x(tick), self.y(tick)
            parts.append(element("path", d=path([(x, TOP), (x, bottom)]), class_="gridline"))
            parts.append(element("path", d=path([(LEFT, y), (WIDTH - RIGHT, y)]), class_="gridline"))
            parts.append(element("text", f"{tick:g}×", x=x, y=bottom + 17, class_="tick middle"))
            parts.append(element("text", f"{tick:g}×", x=LEFT, y=y - 3, class_="tick"))
        diagonal = [(self.x(low), self.y(low)), (self.x(high), self.y(high))]
        parts.append(element("path", d=path(diagonal), class_="zero"))
        beside = "measured, times as fast as the same sampler uncached"
        parts.append(element("text", beside, x=LEFT, y=14, class_="axis"))
        parts.append(element("text", "MAC-ideal: what saved arithmetic promises →", x=WIDTH - RIGHT, y=HEIGHT - 8,
                             class_="axis end"))  # fmt: skip
        return element("g", *parts, aria_hidden="true")

    def _mark(self, one: Kept) -> Markup:
        (x, y), style = self.place(one.cell), self.styles[one.cell.family]
        low, median, high = one.measured
        text = f"{one.cell.method}: {figure(median)}× measured, MACs promise {figure(one.promised)}×"
        bars = [[(x, self.y(low)), (x, self.y(high))]]
        if one.roofline:
            text += f", roofline-ideal {figure(one.roofline)}×"
            bars.append([(x - DASH, self.y(one.roofline)), (x + DASH, self.y(one.roofline))])
        return element(
            "g", element("title", text), *(element("path", d=path(bar), class_="bar") for bar in bars),
            element("path", d=marker(style.shape, x, y, 5.5), class_="mark"), class_=f"c{style.color}",
        )  # fmt: skip

    def _labels(self) -> list[Markup]:
        """Families of the settings that keep least and most of their promise, each where there is room."""
        far = sorted(self.of.values(), key=lambda one: one.measured[1] / one.promised)
        ends = [far[0], far[-1]] if len(far) > 1 else far
        labels = [Label(short(one.cell.family), *self.place(one.cell), one.cell.family) for one in ends]
        box = (INSIDE, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
        placed = place_labels(labels, [self.place(one.cell) for one in self.of.values()], box, CHARACTER)
        return [element("text", label.text, x=x, y=y, class_="label", aria_hidden="true") for label, x, y in placed]


def note(settings: list[Kept]) -> str:
    """What the plot shows, with the least and the most that was measured of a promise."""
    shares = [one.measured[1] / one.promised for one in settings]
    return (
        f"Measured speed-ups are {percent(min(shares), 0)} to {percent(max(shares), 0)} of what MACs promise, "
        "which is the line. Dashes are roofline-ideal; bars are 95 % intervals."
    )
