"""The first plot: difference to the reference, with its paired interval, against measured speed-up, as SVG.

The bars are of the differences themselves, so they show what can be told apart from the reference. Upright the scale is
linear near zero and logarithmic far off (asinh), and ends above the many: the few that are far worse stand at its top
and are named below the plot.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from markupsafe import Markup

from bench.show.report.axes import Scale, far_off, scale
from bench.show.report.format import figure
from bench.show.report.gaps import Gaps
from bench.show.report.group import Group
from bench.show.report.labels import Label, place_labels
from bench.show.report.markers import dots, marker, styles
from bench.show.report.svg import element, path
from bench.statistics.interval import Interval
from bench.store.stored_cell import StoredCell

WIDTH, HEIGHT = 640.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 14.0, 14.0, 30.0, 46.0
CHARACTER, MAX_LABEL = 11.0, 22  # width of a label's character on a phone, where letters are larger; characters
MIN_STEP = 26.0  # between ticks, in the picture's units


@dataclass(frozen=True)
class Bent:
    """From values to coordinates: linear within `knee` of zero, logarithmic beyond."""

    low: float
    high: float
    knee: float

    def __call__(self, value: float) -> float:
        a, b, v = (math.asinh(x / self.knee) for x in (self.low, self.high, min(max(value, self.low), self.high)))
        return HEIGHT - BOTTOM + (TOP - HEIGHT + BOTTOM) * (v - a) / (b - a)

    def ticks(self) -> list[float]:
        """Zero, then round values on either side, as far apart as their labels need."""
        kept = [0.0]
        for tick in sorted((s * m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5) for s in (1, -1)), key=abs):
            inside = self.low <= tick <= self.high
            if inside and all(abs(self(tick) - self(other)) >= MIN_STEP for other in kept):
                kept.append(tick)
        return sorted(kept)


def bent(intervals: Collection[Interval]) -> Bent:
    """A scale around zero and all intervals but those far off; the knee is the median half-width: noise is linear."""
    halves = sorted((gap.high - gap.low) / 2 for gap in intervals if gap.high > gap.low and math.isfinite(gap.high))
    knee = halves[len(halves) // 2] if halves else 1.0
    far = far_off([0.0, *(gap.value for gap in intervals)], least=knee)
    near = [gap for gap in intervals if gap.value <= far]
    ends = [end for gap in near for end in (gap.value, gap.low, gap.high) if math.isfinite(end)]
    low, high = (math.asinh(end / knee) for end in (min(0.0, *ends), max(0.0, *ends)))
    margin = 0.05 * (high - low) or 1.0
    return Bent(knee * math.sinh(low - margin), knee * math.sinh(high + margin), knee)


class GapPlot:
    """One group's plot on one axis. `named`: slugs of the settings that are spoken of, the first of them the answer."""

    def __init__(self, group: Group, gaps: Gaps, named: list[str]) -> None:
        self.group, self.gaps, self.named, self.speed = group, gaps, named, gaps.speedups
        self.cells = [c for c in group.timed if c.slug in gaps.of]
        ends = [end for c in self.cells for end in vars(self.speed[c.slug]).values()]
        self.x: Scale = scale(ends, LEFT + 46, WIDTH - RIGHT, log=True)
        self.y = bent([gaps.of[c.slug] for c in self.cells])
        self.styles = styles(group.families)

    @property
    def beyond(self) -> str:
        """The settings that are too far off for the plot, with their differences; empty if there are none."""
        far = sorted((c for c in self.cells if self.gaps.of[c.slug].value > self.y.high), key=lambda c: c.slug)
        return ", ".join(f"{c.method} ({percent_tick(self.gaps.of[c.slug].value, self.gaps)})" for c in far)

    def place(self, cell: StoredCell) -> tuple[float, float]:
        """Coordinates of a setting's marker."""
        return self.x(self.speed[cell.slug].value), self.y(self.gaps.of[cell.slug].value)

    def svg(self) -> Markup:
        """The plot as an SVG element."""
        title = f"{self.group.title}: {self.gaps.label}, against measured speed-up"
        own = {cell.slug for cell in self.group.shown}
        marks = sorted((c for c in self.cells if c.slug in own), key=lambda c: c.slug in self.named)
        return element(
            "svg", element("title", title), self._band(), self._axes(), *self._curves(),
            *dots(self.group, self.cells, self.place, self.styles), *map(self._mark, marks), *self._labels(),
            viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", role="img", aria_label=title, class_="gaps",
        )  # fmt: skip

    def _band(self) -> Markup:
        """What counts as no worse, from the bound down; and the line of the reference."""
        parts = []
        if self.gaps.bound is not None:
            top = self.y(self.gaps.bound)
            parts.append(element("rect", x=LEFT, y=top, width=WIDTH - LEFT - RIGHT, height=HEIGHT - BOTTOM - top,
                                 class_="band"))  # fmt: skip
        zero = self.y(0.0)
        parts.append(element("path", d=path([(LEFT, zero), (WIDTH - RIGHT, zero)]), class_="zero"))
        return element("g", *parts, aria_hidden="true")

    def _axes(self) -> Markup:
        parts, bottom = [], HEIGHT - BOTTOM
        for tick in self.x.ticks():
            parts.append(element("path", d=path([(self.x(tick), TOP), (self.x(tick), bottom)]), class_="gridline"))
            parts.append(element("text", f"{tick:g}×", x=self.x(tick), y=bottom + 17, class_="tick middle"))
        for tick in self.y.ticks():
            y = self.y(tick)
            parts.append(element("path", d=path([(LEFT, y), (WIDTH - RIGHT, y)]), class_="gridline"))
            parts.append(element("text", percent_tick(tick, self.gaps), x=LEFT, y=y - 3, class_="tick"))
        reference = self.group.reference.method if self.group.reference else "the reference"
        parts.append(element("text", f"{self.gaps.label}, lower is better", x=LEFT, y=14, class_="axis"))
        parts.append(element("text", f"times as fast as {reference} →", x=WIDTH - RIGHT, y=HEIGHT - 8,
                             class_="axis end"))  # fmt: skip
        return element("g", *parts, aria_hidden="true")

    def _curves(self) -> list[Markup]:
        """Fewer steps of every sampler, uncached: what a cache method has to beat."""
        families = dict.fromkeys(cell.family for cell in self.cells if not cell.has_baseline)
        knots = {name: [c for c in self.cells if c.family == name and not c.has_baseline] for name in families}
        return [
            element("path", d=path(sorted(map(self.place, cells))), class_=f"steps c{self.styles[name].color}")
            for name, cells in knots.items()
        ]

    def _mark(self, cell: StoredCell) -> Markup:
        (x, y), style = self.place(cell), self.styles[cell.family]
        speed, gap = self.speed[cell.slug], self.gaps.of[cell.slug]
        bars = [[(self.x(speed.low), y), (self.x(speed.high), y)], [(x, self.y(gap.low)), (x, self.y(gap.high))]]
        text = f"{cell.method}: {figure(speed.value)}×, {spoken(gap)}"
        halo = [element("circle", cx=x, cy=y, r=11, class_="halo")] if self.named[:1] == [cell.slug] else []
        return element(
            "g", element("title", text), *(element("path", d=path(bar), class_="bar") for bar in bars), *halo,
            element("path", d=marker(style.shape, x, y, 5.5), class_="mark"),
            class_=f"c{style.color}" + ("" if cell.slug in self.named else " other"),
        )  # fmt: skip

    def _labels(self) -> list[Markup]:
        """Names of the settings that are spoken of, each where there is room."""
        known = {cell.slug: cell for cell in self.cells}
        wanted = [known[slug] for slug in self.named if slug in known]
        labels = [Label(short(cell.method), *self.place(cell), cell.family) for cell in wanted]
        box = (LEFT + 46, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
        placed = place_labels(labels, [self.place(cell) for cell in wanted], box, CHARACTER)
        return [self._label(label, x, y) for label, x, y in placed]

    def _label(self, label: Label, left: float, y: float) -> Markup:
        """Beside its marker: its room is that of a phone's letters, so it is anchored at the side of the marker."""
        right = left + CHARACTER * len(label.text)
        x, anchor = (left, "") if left > label.x else (right, " end") if right < label.x else (label.x, " middle")
        return element("text", label.text, x=x, y=y, class_=f"label{anchor}", aria_hidden="true")


def short(text: str) -> str:
    """A name cut to what a label has room for; the table has all of it."""
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…"


def percent_tick(value: float, gaps: Gaps) -> str:
    """`+20 %`; without a sign where the axis is a distance and cannot be below zero."""
    sign = "+" if value > 0 and gaps.key == "fd" else ""
    return f"{sign}{f'{value:.3g}' if abs(value) < 1000 else f'{value:,.0f}'} %".replace("-", "−")


def spoken(gap: Interval) -> str:
    """`3.2 % [−1.0, 7.4]`."""
    ends = "" if gap.low == gap.high else f" [{figure(gap.low, 2)}, {figure(gap.high, 2)}]"
    return f"{figure(gap.value, 2)} %{ends}"
