"""The data of the interactive plot of one group, as the page's script reads it."""

from __future__ import annotations

from typing import Any

from bench.judge.latency import sampler_family
from bench.schema.metrics import COSTS
from bench.show.report.column import records
from bench.show.report.group import Group
from bench.show.report.markers import styles
from bench.show.report.tables import table_of
from bench.show.site import axes
from bench.store.stored_cell import StoredCell

# Names that plotly gives to the shapes of bench.show.report.markers
SYMBOLS = {"circle": "circle", "square": "square", "triangle": "triangle-up", "diamond": "diamond", "star": "star",
           "down": "triangle-down", "pentagon": "pentagon", "cross": "cross", "hexagon": "hexagon"}  # fmt: skip


def chart(group: Group) -> dict[str, Any] | None:
    """Axes, families and points with their values and intervals; None where there is nothing to plot."""
    table = table_of(group, group.cells)
    costs, qualities = axes.used(COSTS, table), axes.used(axes.qualities(), table)
    if not costs or not qualities:
        return None
    both: list[axes.Axis] = [*costs, *qualities]
    looks, rows = styles(group.families), records(table)
    return {
        "title": group.title,
        "x": [_axis(axis, group) for axis in costs],
        "y": [_axis(axis, group) for axis in qualities],
        "families": [
            {
                "name": name,
                "color": looks[name].color,
                "symbol": SYMBOLS[looks[name].shape],
                "curve": _is_curve(group, name),
            }
            for name in group.families
        ],
        "points": [_point(group, cell) for cell in group.cells],
        "values": {axis.key: axes.values(axis, group.cells, rows) for axis in both},
    }  # fmt: skip


def _axis(axis: axes.Axis, group: Group) -> dict[str, str]:
    return {"key": axis.key, "label": axes.label(axis, group), "better": axis.better}


def _is_curve(group: Group, name: str) -> bool:
    """Whether a family is a sampler: fewer steps of it is what every cache method is held against."""
    return any(not cell.is_cached for cell in group.cells if cell.family == name)


def _point(group: Group, cell: StoredCell) -> dict[str, Any]:
    uncached = not cell.is_cached
    return {
        "name": cell.method,
        "family": group.families.index(cell.family),
        "curve": "/".join(map(str, sampler_family(cell))) if uncached else None,
        "steps": cell.sampler.steps if uncached else None,
        "verdict": group.ruling(cell).word,
        "row": group.row_id(cell),
    }
