"""A Pareto plot for paper, by matplotlib: a quality against measured latency, with bars (axes.BARS)."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from bench.show.report.axes import BARS_IN_SHORT, Measure, far_off
from bench.show.report.group import Group
from bench.show.report.markers import Style, styles
from bench.show.report.plots import RINGED, label_of
from bench.store.results import one_line
from bench.store.stored_cell import StoredCell

# Okabe and Ito (2008), told apart under every common colour blindness; black first, for the reference curve.
OKABE_ITO = ("#000000", "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800")
MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "star": "*", "down": "v", "pentagon": "p",
           "cross": "P", "hexagon": "h"}  # fmt: skip
CURVE = "lines: fewer steps"
MAX_NAME = 56  # characters of a name in a picture
CHARACTER = 0.53  # its mean width, in units of the font's size


def pareto_figure(group: Group, measure: Measure, size: tuple[float, float]) -> Figure:
    """The cells of a group that have the measure; `size` in inches."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    looks = styles(group.families)
    placed = [cell for cell in group.timed if measure.value(cell) is not None]
    for i, name in enumerate(group.families):
        cells = [cell for cell in placed if cell.family == name]
        if cells:
            ordered = sorted(cells, key=lambda cell: group.latency(cell)[1])
            _family(axes, group, measure, ordered, looks[name])
            _steps(axes, group, measure, cells, below=bool(i % 2))
    _ring(axes, group, measure, placed)
    _scales(axes, _near(axes, measure, placed))
    _texts(axes, group, measure, placed, size)
    _legend(figure, axes)
    return figure


def _ring_label(group: Group) -> str:
    return f"to use, or worth its time, by {group.judging.axis}"  # the verdict, whatever measure is drawn


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the plot, in as many columns as fit; filled column by column, samplers first."""
    axes.plot([], [], color="black", lw=1.2, label=CURVE)
    axes.plot([], [], color="black", lw=0.6, marker="|", ms=4, label=BARS_IN_SHORT)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: not isinstance(handles[i], ErrorbarContainer))
    labels, handles = [labels[i] for i in order], [handles[i] for i in order]
    font, room = 6.0, 72 * figure.get_figwidth()
    columns = max(n for n in range(1, 6) if n == 1 or _width(labels, n, font) < room)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=font,
                  handlelength=1.8, columnspacing=1.2, handletextpad=0.5)  # fmt: skip


def _width(labels: Sequence[str], columns: int, font: float) -> float:
    """Points that a legend takes across: in each column the longest label, a handle and a gap."""
    deep = -(-len(labels) // columns)
    longest = [max(map(len, labels[i : i + deep])) for i in range(0, len(labels), deep)]
    return sum(font * (CHARACTER * length + 3.5) for length in longest)


def _family(axes: Axes, group: Group, measure: Measure, cells: list[StoredCell], style: Style) -> None:
    """Markers with bars; uncached cells joined to the fewer-steps curve and labelled with their steps."""
    marker, uncached = MARKERS[style.shape], not cells[0].is_cached
    name, latencies = cells[0].family, [group.latency(cell) for cell in cells]
    x, y = [value for _, value, _ in latencies], [measure.value(cell) or 0.0 for cell in cells]
    xerr = _spread(x, [(low, high) for low, _, high in latencies])
    axes.errorbar(
        x, y, xerr=xerr, yerr=_spread(y, map(measure.ends, cells)), fmt=marker,
        color=OKABE_ITO[style.color], label=shown(name), ms=5 if marker == "*" else 3.6, elinewidth=0.6,
        lw=1.2 if uncached else 0, ls="-" if uncached else "none", zorder=3 if uncached else 2,
        markeredgecolor="black", markeredgewidth=0.3,
    )  # fmt: skip


def _steps(axes: Axes, group: Group, measure: Measure, cells: list[StoredCell], below: bool) -> None:
    """The step counts of uncached cells, of every other family below its curve."""
    for cell in cells:
        if not cell.is_cached:
            place, text = (group.latency(cell)[1], measure.value(cell) or 0.0), str(cell.sampler.steps or "")
            axes.annotate(text, place, (1, -9) if below else (2, 3), textcoords="offset points", fontsize=6)


def _spread(values: list[float], ends: Iterable[tuple[float, float] | None]) -> list[list[float]]:
    """Lengths below and above each value; none where the bar is not known."""
    known = [e or (v, v) for v, e in zip(values, ends, strict=True)]
    return [
        [max(v - low, 0.0) for v, (low, _) in zip(values, known, strict=True)],
        [max(high - v, 0.0) for v, (_, high) in zip(values, known, strict=True)],
    ]


def _ring(axes: Axes, group: Group, measure: Measure, placed: list[StoredCell]) -> None:
    front = [cell for cell in placed if group.ruling(cell).word in RINGED]
    ring: dict[str, Any] = {"s": 55, "facecolors": "none", "edgecolors": "black", "linewidths": 0.8, "zorder": 4}
    places = [group.latency(cell)[1] for cell in front], [measure.value(cell) or 0.0 for cell in front]
    axes.scatter(*places, label=_ring_label(group), **ring)


def _near(axes: Axes, measure: Measure, placed: list[StoredCell]) -> list[float]:
    """The values that the plot shows: where few are far worse than the rest, it ends below them, and names them."""
    values = [measure.value(cell) or 0.0 for cell in placed]
    end = far_off(values, origin=min(values)) if measure.better == "lower" else math.inf
    beyond = [f"{cell.method} ({value:.3g})" for cell, value in zip(placed, values, strict=True) if value > end]
    near = [value for value in values if value <= end]
    if beyond and len(near) > 1:
        room = 0.1 * (max(near) - min(near))
        axes.set_ylim(min(near) - room, max(near) + room)
        axes.plot([], [], ls="none", label=shown(f"far above: {', '.join(beyond)}"))
    return near


def _scales(axes: Axes, values: list[float]) -> None:
    """Latency on a logarithmic scale, and the quality too where it spans more than a factor of 2."""
    axes.set_xscale("log")
    if min(values) > 0 and max(values) > 2 * min(values):
        axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())


def _texts(axes: Axes, group: Group, measure: Measure, placed: list[StoredCell], size: tuple[float, float]) -> None:
    samples = placed[0].quality.samples
    count = "" if measure.key == "fd" or samples is None else f", n={samples:,}"  # the distance's own name has it
    axes.set_xlabel(shown(group.latency_title, 2 * MAX_NAME))
    label = shown(label_of(measure, group), 2 * MAX_NAME).replace(" is better", "\u00a0is\u00a0better") + count
    axes.set_ylabel(textwrap.fill(label, int(0.72 * 72 * size[1] / (CHARACTER * 7))))
    axes.set_title(shown(group.title, 2 * MAX_NAME), loc="left", fontweight="bold")
    axes.grid(color="#e6e9ed", lw=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def shown(text: str, longest: int = MAX_NAME) -> str:
    """A name as a picture shows it: one line, cut where it is long; a leading underscore would hide it in a legend."""
    line = one_line(text)
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    return f" {line}" if line.startswith("_") else line
