"""Pareto plots as SVG: quality against measured latency, readable without colour and without a script."""

import math
from collections import defaultdict
from functools import cached_property

from markupsafe import Markup

from bench.judge.latency import sampler_family
from bench.judge.verdict import USE, VERDICTS, WORTH
from bench.show.report.axes import BARS, BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Measure, measures, scale
from bench.show.report.format import figure
from bench.show.report.group import Group
from bench.show.report.labels import Label, place_labels
from bench.show.report.markers import dots, marker, styles
from bench.show.report.svg import element, path
from bench.store.stored_cell import StoredCell

MAX_LABEL = 24  # characters
RINGED = (USE, WORTH)


def measures_of(group: Group) -> list[Measure]:
    """The measures that at least two cells of the group have."""
    return [m for m in measures() if sum(m.value(cell) is not None for cell in group.timed) > 1]


def label_of(measure: Measure, group: Group) -> str:
    """The axis title of a measure, with its direction."""
    reference = group.reference.method if group.reference else "the reference"
    return measure.label(group.heading, reference)


class ParetoPlot:
    """One model's plot for one measure."""

    def __init__(self, group: Group, measure: Measure) -> None:
        self.group, self.measure = group, measure
        known = ((cell, measure.value(cell)) for cell in group.timed)
        self.values = {cell.slug: value for cell, value in known if value is not None}
        self.cells = [cell for cell in group.timed if cell.slug in self.values]
        own = {cell.slug for cell in group.shown}
        self.shown = [cell for cell in self.cells if cell.slug in own]
        self.styles = styles(group.families)
        latencies = [v for cell in self.cells for v in group.latency(cell)]
        self.x = scale(latencies, LEFT, WIDTH - RIGHT, log=True)
        values = [v for cell in self.cells for v in self._spread(cell)]
        self.y = scale(values, HEIGHT - BOTTOM, TOP)

    def _spread(self, cell: StoredCell) -> list[float]:
        value = self.values[cell.slug]
        return [value, *(end for end in self.measure.ends(cell) or () if value and end > 0.3 * value)]

    def _latency(self, cell: StoredCell) -> float:
        return self.group.latency(cell)[1]

    def place(self, cell: StoredCell) -> tuple[float, float]:
        """Coordinates of a cell's marker."""
        return self._places[cell.slug]

    @cached_property
    def _places(self) -> dict[str, tuple[float, float]]:
        return {c.slug: (self.x(self._latency(c)), self.y(self.values[c.slug])) for c in self.cells}

    def svg(self) -> Markup:
        """The plot as an SVG element."""
        title = f"{self.group.title}: {label_of(self.measure, self.group)}, against measured latency"
        marks = sorted(self.shown, key=lambda c: self.group.ruling(c).word in RINGED)
        return element(
            "svg",
            element("title", title),
            element("desc", BARS),
            self._axes(),
            self._estimated_front(),
            *self._curves(),
            *self._sweeps(),
            *dots(self.group, self.cells, self.place, self.styles),
            *(self._mark(cell) for cell in marks),
            *self._labels(),
            viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", role="group", aria_label=title, class_="pareto",
        )  # fmt: skip

    def _axes(self) -> Markup:
        parts = []
        for tick in self.x.ticks():
            x, text = self.x(tick), f"{tick:,.0f}" if tick >= 10 else f"{tick:g}"
            parts.append(element("path", d=path([(x, TOP), (x, HEIGHT - BOTTOM)]), class_="gridline"))
            parts.append(element("text", text, x=x, y=HEIGHT - BOTTOM + 18, class_="tick middle"))
        for tick in self.y.ticks():
            y = self.y(tick)
            parts.append(element("path", d=path([(LEFT, y), (WIDTH - RIGHT, y)]), class_="gridline"))
            parts.append(element("text", _short(tick), x=LEFT - 8, y=y + 4, class_="tick end"))
        under = self.group.latency_title + (" (log scale)" if self.x.log else "")
        beside = label_of(self.measure, self.group) + (" (log scale)" if self.y.log else "")
        middle = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(element("text", under, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 12, class_="axis middle"))
        parts.append(
            element("text", beside, x=15, y=middle, transform=f"rotate(-90 15 {middle:.0f})", class_="axis middle")
        )
        return element("g", *parts, aria_hidden="true")

    def _curves(self) -> list[Markup]:
        """The fewer-steps curves: always drawn, one for each sampler."""
        lines = []
        for members in self._by(lambda cell: None if cell.has_baseline else sampler_family(cell)).values():
            ordered = sorted(members, key=self._latency)
            color = self.styles[members[0].family].color
            lines.append(self._line([self.place(c) for c in ordered], f"curve c{color}", members[0].family))
        return lines

    def _sweeps(self) -> list[Markup]:
        """Thin lines through the settings of one cache method that differ in one parameter only."""
        lines = []
        for members in self._by(lambda cell: self.group.sweeps.get(cell.slug)).values():
            if len(members) > 1:
                ordered = sorted(members, key=self._latency)
                name = members[0].family
                lines.append(self._line([self.place(c) for c in ordered], f"sweep c{self.styles[name].color}", name))
        return lines

    def _by(self, key) -> dict:  # type: ignore[no-untyped-def]
        groups = defaultdict(list)
        for cell in self.cells:
            if (own := key(cell)) is not None:
                groups[own].append(cell)
        return groups

    def _line(self, places: list[tuple[float, float]], class_: str, family: str) -> Markup:
        return element("path", d=path(places), class_=class_, data_family=family)

    def _estimated_front(self) -> Markup:
        """A staircase through the best of the estimates, for the eye; verdicts are the rings."""
        sign = 1 if self.measure.better == "lower" else -1
        stairs: list[tuple[float, float]] = []
        best = math.inf
        for cell in sorted(self.cells, key=self._latency):
            value = sign * self.values[cell.slug]
            if value < best:
                best = value
                x, y = self.place(cell)
                stairs += [(x, stairs[-1][1])] if stairs else []
                stairs.append((x, y))
        return element("path", d=path([*stairs, (WIDTH - RIGHT, stairs[-1][1])]), class_="stairs", aria_hidden="true")

    def _mark(self, cell: StoredCell) -> Markup:
        x, y = self.place(cell)
        style, verdict = self.styles[cell.family], self.group.ruling(cell).word
        kind = "cached" if cell.is_cached else "uncached"
        reference = self.group.reference
        same_base = reference is None or cell.sampler == reference.sampler or not cell.is_cached
        halo = [element("circle", cx=x, cy=y, r=11, class_="halo")] if verdict in RINGED else []
        text = f"{cell.method}: {self.measure.key} {figure(self.values[cell.slug])}, {figure(self._latency(cell))} ms"
        return element(
            "g",
            element("title", text + (f", {verdict}" if verdict else "")),
            *self._error_bars(cell, x, y),
            *halo,
            element("path", d=marker(style.shape, x, y, 6.5), class_="mark" if same_base else "mark hollow"),
            class_=f"point c{style.color} {kind} {verdict}".strip(), data_family=cell.family, data_x=x,
            data_row=self.group.row_id(cell), role="img", aria_label=text,
        )  # fmt: skip

    def _error_bars(self, cell: StoredCell, x: float, y: float) -> list[Markup]:
        low, _, high = self.group.latency(cell)
        bars = [[(self.x(low), y), (self.x(high), y)]]
        ends = self.measure.ends(cell)
        if ends:
            bars.append([(x, self.y(ends[0])), (x, self.y(ends[1]))])
        return [element("path", d=path(bar), class_="bar") for bar in bars]

    def _labels(self) -> list[Markup]:
        """Settings to use first, then step counts of the curves, then others, as far as there is room."""
        rank = {verdict: place for place, verdict in enumerate(VERDICTS)}

        def order(cell: StoredCell) -> float:
            return 0.5 if not cell.is_cached else rank.get(self.group.ruling(cell).word, len(rank))

        wanted = [Label(short_setting(cell), *self.place(cell), cell.family) for cell in sorted(self.shown, key=order)]
        box = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
        placed = place_labels(wanted, [self.place(cell) for cell in self.cells], box)
        return [
            element("text", label.text, x=x, y=y, class_="label", data_family=label.family, aria_hidden="true")
            for label, x, y in placed
        ]


def short_setting(cell: StoredCell) -> str:
    """The setting's name cut to what a label has room for."""
    return cell.setting if len(cell.setting) <= MAX_LABEL else cell.setting[: MAX_LABEL - 1] + "…"


def _short(value: float) -> str:
    text = f"{value:.4g}"
    return text.replace("-", "−")
