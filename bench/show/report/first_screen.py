"""What a page shows of a model before anything else: one sentence, one plot, one short table; then a few samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from bench.show.report import promise_plot
from bench.show.report.decision_text import SpeedLine, axis_name, maybe_faster, sentence, speed_lines
from bench.show.report.gap_plot import GapPlot
from bench.show.report.gaps import Gaps, gaps_of
from bench.show.report.group import Group
from bench.show.report.legend import Family, legend
from bench.show.report.samples import Strip, strips_of

MAX_STRIPS = 4


@dataclass(frozen=True)
class AxisPlot:
    """One plot, its name in the switch, what is said below it, and which settings are too far off for it."""

    key: str
    name: str
    svg: Markup
    note: str
    beyond: str = ""


@dataclass(frozen=True)
class FirstScreen:
    """The first screen of one group."""

    sentence: str
    column: str  # heading of what settings are judged by, as on its plot
    plots: list[AxisPlot]  # that axis first, speed against MACs last
    legend: list[Family]
    lines: list[SpeedLine]
    faster: str  # than what the sentence recommends, and perhaps as good
    chosen: str | None  # slug of what the sentence recommends
    strips: list[Strip]


def first_screen(group: Group, directory: Path) -> FirstScreen:
    """The first screen of a group whose samples lie below `directory`."""
    headline, lines = group.decision().headline, speed_lines(group)
    axes = sorted(gaps_of(group), key=lambda gaps: gaps.key != group.judging.axis)
    column = next((gaps.label for gaps in axes if gaps.key == group.judging.axis), axis_name(group))
    chosen, reference = headline.setting if headline else None, group.decision().reference
    named = [slug for slug in dict.fromkeys([chosen, *(line.slug for line in lines), reference]) if slug]
    shown = [slug for slug in dict.fromkeys([reference, *named]) if slug in group.by_slug][:MAX_STRIPS]
    strips = strips_of(group, directory, [group.by_slug[slug] for slug in shown])
    return FirstScreen(
        sentence(group), column, [*(gap_plot(group, gaps, named) for gaps in axes), *promise_plots(group)],
        legend(group), lines, maybe_faster(group), chosen, [strip for strip in strips if strip.uri],
    )  # fmt: skip


def gap_plot(group: Group, gaps: Gaps, named: list[str]) -> AxisPlot:
    """Differences to the reference against measured speed-up."""
    plot = GapPlot(group, gaps, named)
    said = ["Bars are 95 % intervals of the difference.", "Lines join fewer steps of a sampler."]
    if gaps.bound is not None:
        said.insert(1, "Shaded is what counts as no worse.")
    if gaps.key != "fd":
        said.append("Fidelity is no quality: it says how near samples stay to the exact solution (ode_error) or to "
                    "uncached ones (fd_own), not how good they are.")  # fmt: skip
    return AxisPlot(gaps.key, gaps.name, plot.svg(), " ".join(said), plot.beyond)


def promise_plots(group: Group) -> list[AxisPlot]:
    """Measured speed-ups against what MACs promise, where two cache settings and more have both."""
    settings = promise_plot.kept(group)
    if len(settings) < 2:
        return []
    svg = promise_plot.PromisePlot(group, settings).svg()
    return [AxisPlot(promise_plot.KEY, promise_plot.NAME, svg, promise_plot.note(settings))]
