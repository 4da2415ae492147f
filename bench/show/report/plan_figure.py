"""The plans of a group for paper, by matplotlib: evaluations across, attention above, MLP below, as in the report."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bench.show.report.heatmaps import COLORS, caption, used_marks
from bench.show.report.pareto_figure import shown
from bench.show.report.svg import runs
from bench.store.stored_cell import StoredCell

ACROSS, DOWN = 3, 7  # plans in a row and rows in a figure
KINDS = ("attn", "MLP")


def plan_figure(cells: Sequence[StoredCell], width: float) -> Figure:
    """At most ACROSS × DOWN plans of cached cells; `width` in inches."""
    rows = -(-len(cells) // ACROSS)
    figure = Figure(figsize=(width, 0.5 + 1.15 * rows), layout="constrained")
    for i, cell in enumerate(cells):
        axes = figure.add_subplot(rows, ACROSS, i + 1)
        _draw(axes, cell)
        if i + ACROSS >= len(cells):
            axes.set_xlabel("evaluation", fontsize=5.5, labelpad=1)
    marks = used_marks(cell.plan.rows for cell in cells)
    patches = [Patch(color=COLORS[mark.character], label=mark.meaning) for mark in marks]
    figure.legend(handles=patches, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw(axes: Axes, cell: StoredCell) -> None:
    """Unbroken runs of blocks as rectangles: vectors, not a raster. Block 1 of each kind on top."""
    plan = cell.plan.rows
    blocks = len(plan[0]) // 2
    gap = max(blocks / 10, 0.5)
    for mark, color in COLORS.items():
        boxes = [
            _box(k, start + kind * (blocks + gap), stop - start)
            for k, row in enumerate(plan)
            for kind in range(2)
            for start, stop in runs(row[kind::2], mark)
        ]
        axes.add_collection(PolyCollection(boxes, facecolors=color, linewidths=0, antialiaseds=False))
    axes.set(xlim=(0, len(plan)), ylim=(2 * blocks + gap, 0))
    axes.set_yticks([blocks / 2, 1.5 * blocks + gap], KINDS)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(length=1.5, pad=1, labelsize=5.5)
    axes.spines[:].set_visible(False)
    sampler, _, cache = cell.method.partition(" + ")  # only where its line breaks
    axes.set_title(f"{shown(sampler)}\n{shown(cache)}\n{caption(cell)}", loc="left", fontsize=5)


def _box(left: int, top: float, height: int) -> list[tuple[float, float]]:
    return [(left, top), (left + 1, top), (left + 1, top + height), (left, top + height)]
