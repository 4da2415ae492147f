"""The Pareto plots as files for a README or a paper: pareto-<model>.svg and .png, by matplotlib."""

import io
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from bench import pareto
from bench.files import write_bytes
from bench.report.axes import MEASURES
from bench.report.format import family_name
from bench.report.group import Group, groups_of
from bench.report.markers import Style, styles
from bench.results import read_results
from bench.schema.cell import Cell
from models.errors import InputError

# Okabe and Ito (2008), told apart under every common colour blindness; black first, for the reference curve.
OKABE_ITO = ("#000000", "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800")
MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "star": "*", "down": "v", "pentagon": "p",
           "cross": "P", "hexagon": "h"}  # fmt: skip


def write_figures(directory: Path | str, out_dir: Path | str) -> list[Path]:
    """Write pareto-<model>.svg and .png for every model with a plot; returns their paths.

    Raises InputError where there is nothing to plot, or a file cannot be written.
    """
    results = read_results(directory)
    written = []
    for group in groups_of(results, pareto.analyse(results.cells)):
        if group.number or len(group.points) < 2:
            continue
        figure = draw(group)
        for suffix in ("svg", "png"):
            path = Path(out_dir) / f"pareto-{group.model}.{suffix}"
            write_bytes(path, _saved(figure, suffix))
            written.append(path)
    if not written:
        raise InputError(f"{directory}: nothing to plot (no two cells with a quality and a latency)")
    return written


def _saved(figure: Figure, suffix: str) -> bytes:
    """The figure's file, the same bytes for the same numbers."""
    import matplotlib

    file = io.BytesIO()
    stamp: dict[str, Any] = {"Date": None} if suffix == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "ditbench", "svg.fonttype": "path"}):
        figure.savefig(file, format=suffix, dpi=160, metadata=stamp)
    return file.getvalue()


def draw(group: Group) -> Figure:
    """Fréchet distance against measured latency, white background, 8 by 5 inches."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    looks = styles(group.families)
    placed = [group.by_slug[slug] for slug in group.points]
    for name in group.families:
        cells = [cell for cell in placed if family_name(cell) == name]
        if cells:
            _family(axes, group, name, sorted(cells, key=_latency), looks[name])
    front = [c for c in group.cells if group.verdict(c).get("pareto") == "front"]
    ring: dict[str, Any] = {"s": 190, "facecolors": "none", "edgecolors": "black", "linewidths": 1.3, "zorder": 4}
    axes.scatter([_latency(c) for c in front], [c["quality"]["fd"] for c in front], label="on the front", **ring)
    _decorate(axes, group, placed)
    return figure


def _family(axes: Axes, group: Group, name: str, cells: list[Cell], style: Style) -> None:
    """Markers with 95 % intervals; uncached cells joined to the fewer-steps curve and labelled with their steps."""
    color, marker = OKABE_ITO[style.color], MARKERS[style.shape]
    uncached = cells[0].get("cache") is None
    x, y = [_latency(c) for c in cells], [c["quality"]["fd"] for c in cells]
    ends = [MEASURES[0].ends(c) or (v, v) for c, v in zip(cells, y, strict=True)]
    spread = [
        [v - low for v, (low, _) in zip(y, ends, strict=True)],
        [high - v for v, (_, high) in zip(y, ends, strict=True)],
    ]
    label = f"{name}, fewer steps" if uncached else name
    axes.errorbar(
        x, y, yerr=spread, fmt=marker, color=color, label=label, ms=9 if marker == "*" else 6.5, elinewidth=0.9,
        lw=2.2 if uncached else 0, ls="-" if uncached else "none", zorder=3 if uncached else 2,
        markeredgecolor="black", markeredgewidth=0.5,
    )  # fmt: skip
    for cell in cells if uncached else []:
        place = (_latency(cell), cell["quality"]["fd"])
        steps = str(cell["sampler"].get("steps") or "")
        axes.annotate(steps, place, (6, 5), textcoords="offset points", fontsize=8)


def _decorate(axes: Axes, group: Group, placed: list[Cell]) -> None:
    values = [c["quality"]["fd"] for c in placed]
    axes.set_xscale("log")
    if min(values) > 0 and max(values) > 6 * min(values):
        axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
    batch = placed[0]["timing"].get("batch") or "?"
    axes.set_xlabel(f"Measured latency of one batch of {batch} images, ms")
    axes.set_ylabel(f"{group.heading}, lower is better")
    axes.set_title(group.title, loc="left", fontweight="bold")
    axes.grid(color="#e6e9ed", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def _latency(cell: Cell) -> float:
    return cell["timing"]["latency_ms"]["median"]
