"""What can stand on the axes of the interactive plot: every cost against every quality that some cell has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pandas as pd

from bench.schema import metrics
from bench.schema.metrics import Cost
from bench.show.report.axes import Measure
from bench.show.report.column import Row
from bench.show.report.group import Group
from bench.store.stored_cell import StoredCell

Axis = Cost | Measure


def qualities() -> list[Measure]:
    """Every metric can stand there."""
    return [Measure(metric) for metric in metrics.METRICS]


Values = list[list[float] | None]
A = TypeVar("A", Cost, Measure)


def used(axes: Sequence[A], table: pd.DataFrame) -> list[A]:
    """The axes along which at least two rows have a place."""
    return [axis for axis in axes if table[axis.key].notna().sum() > 1]


def label(axis: Axis, group: Group) -> str:
    """The axis's title with its direction."""
    reference = group.reference.method if group.reference else "the reference"
    if isinstance(axis, Measure):
        return axis.label(group.heading, reference)
    return f"{axis.label.format(reference=reference)}, {axis.better} is better"


def values(axis: Axis, cells: list[StoredCell], rows: list[Row]) -> Values:
    """For every cell [value] or [value, low, high], as shown to 6 digits; None where it has no value."""
    return [_value(axis, cell, row) for cell, row in zip(cells, rows, strict=True)]


def _value(axis: Axis, cell: StoredCell, row: Row) -> list[float] | None:
    if pd.isna(row[axis.key]):
        return None
    numbers = [row[axis.key]]
    if isinstance(axis, Measure):
        numbers += axis.ends(cell) or ()
    elif axis.low and pd.notna(row[axis.low]) and pd.notna(row[axis.high]):
        numbers += [row[axis.low], row[axis.high]]
    return [float(f"{float(v):.6g}") for v in numbers]
