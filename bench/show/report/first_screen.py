"""What a page shows of a model before anything else: one sentence, one plot, one short table; then a few samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from bench.show.report.decision_text import SpeedLine, axis_name, maybe_faster, sentence, speed_lines
from bench.show.report.gap_plot import GapPlot
from bench.show.report.gaps import gaps_of
from bench.show.report.group import Group
from bench.show.report.legend import Family, legend
from bench.show.report.samples import Strip, strips_of

MAX_STRIPS = 4


@dataclass(frozen=True)
class AxisPlot:
    """The plot on one axis, its name in the switch, and which settings are too far off for it."""

    key: str
    name: str
    svg: Markup
    beyond: str


@dataclass(frozen=True)
class FirstScreen:
    """The first screen of one group."""

    sentence: str
    column: str  # heading of what settings are judged by, as on its plot
    plots: list[AxisPlot]  # that axis first
    legend: list[Family]
    lines: list[SpeedLine]
    faster: str  # than what the sentence recommends, and perhaps as good
    chosen: str | None  # slug of what the sentence recommends
    strips: list[Strip]
    bound: bool  # whether what counts as no worse is shaded


def first_screen(group: Group, directory: Path) -> FirstScreen:
    """The first screen of a group whose samples lie below `directory`."""
    headline, lines = group.decision().headline, speed_lines(group)
    axes = sorted(gaps_of(group), key=lambda gaps: gaps.key != group.judging.axis)
    column = next((gaps.label for gaps in axes if gaps.key == group.judging.axis), axis_name(group))
    chosen, reference = headline.setting if headline else None, group.decision().reference
    named = [slug for slug in dict.fromkeys([chosen, *(line.slug for line in lines), reference]) if slug]
    plots = [(gaps, GapPlot(group, gaps, named)) for gaps in axes]
    shown = [slug for slug in dict.fromkeys([reference, *named]) if slug in group.by_slug][:MAX_STRIPS]
    strips = strips_of(group, directory, [group.by_slug[slug] for slug in shown])
    return FirstScreen(
        sentence(group), column, [AxisPlot(gaps.key, gaps.name, plot.svg(), plot.beyond) for gaps, plot in plots],
        legend(group), lines, maybe_faster(group), chosen, [strip for strip in strips if strip.uri],
        any(gaps.bound is not None for gaps in axes),
    )  # fmt: skip
