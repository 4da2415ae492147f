"""Two settings side by side: what the page's script needs to compare any two cells of a group, and a table without it.

Cells of a group share seeds, so a difference of two quality metrics is paired: the script takes it from the
leave-one-group-out replicates as bench.statistics.jackknife.paired_difference does, for whichever two settings a reader
chooses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.judge import pareto
from bench.judge.latency import Latency
from bench.judge.point import Point
from bench.judge.steps_curve import fewer_steps
from bench.schema.metrics import COSTS, HIGHER, PERCENT, RATIO, with_replicates
from bench.show.report.column import Column, Row, records
from bench.show.report.format import between, figure, signed
from bench.show.report.group import Group
from bench.show.report.tables import table_of, used_columns
from bench.statistics.interval import Z95
from bench.statistics.jackknife import quantile
from bench.store.stored_cell import StoredCell

Values = dict[str, Any]
RATIOS = tuple(cost.key for cost in COSTS if cost.compared_by == RATIO)
MORE = (
    Column("GMACs", "of one image, guidance included, from the plan", lambda r: figure(r["macs_g"]), "macs_g"),
    Column("Throughput, images/s", "batch / median latency", lambda r: figure(r["throughput"]), "throughput"),
    Column("Hypervolume", "of the whole method's front: 1 is e times as fast at the reference's quality",
           lambda r: f"{figure(r['hypervolume'])} {between(r['hypervolume_low'], r['hypervolume_high'])}".strip(),
           "hypervolume"),
    Column("Energy of an image, J", "measured", lambda r: figure(r["energy_j"]), "energy_j"),
)  # fmt: skip


def columns(group: Group, table: pd.DataFrame) -> list[Column]:
    """The lines of the comparison: the columns of the results table and the work."""
    return [*used_columns(group, table), *(c for c in MORE if table[c.key].notna().any())]


def data(group: Group) -> Values:
    """Everything that the page's script reads of a group of at least two cells."""
    table = table_of(group, group.cells)
    lines, rows = columns(group, table), PlanRows()
    paired = [metric.key for metric in with_replicates()]
    counts = {len(c.quality.without_groups(m)) for c in group.cells for m in paired}
    return {
        "distance": group.distance,
        "z": Z95,
        "quantiles": {str(n): quantile(n) for n in sorted(counts) if n > 1},
        "lines": [_line(column) for column in lines],
        "cells": [
            _side(cell, row, lines, group.latencies.get(cell.slug)) | {"plan": rows.of(cell)}
            for cell, row in zip(group.cells, records(table), strict=True)
        ],
        "plan_rows": rows.distinct,
        "chosen": [cell.slug for cell in usual_pair(group)],
    }


def _line(column: Column) -> Values:
    metric = {metric.key: metric for metric in with_replicates()}.get(column.key)
    kind = "paired" if metric else "ratio" if column.key in RATIOS else ""
    return {
        "key": column.key, "heading": column.heading, "meaning": column.meaning,
        "kind": "latency" if column.key in ("latency_ms", "latency_paired_ms") else kind,
        "higher": bool(metric and metric.better == HIGHER), "percent": bool(metric and metric.unit == PERCENT),
    }  # fmt: skip


def _side(cell: StoredCell, row: Row, lines: Sequence[Column], latency: Latency | None) -> Values:
    """One cell: texts as the results table shows them, and numbers to 9 digits to calculate with."""
    return {
        "slug": cell.slug,
        "name": cell.method,
        "family": cell.family,
        "texts": [column.text(row) for column in lines],
        "numbers": {key: _short(row[key]) for key in RATIOS if pd.notna(row[key])},
        "metrics": {m.key: values for m in with_replicates() if (values := _metric(cell, m.key))},
        "latency": latency and [_short(latency.log), errors_of(cell, latency)],
    }


def errors_of(cell: StoredCell, latency: Latency) -> dict[str, float]:
    """The error of a log latency by its independent parts: two cells share a part that has the same name in both.

    In one session those of rounds and processes, so what two settings had in common in a round cancels; on a chain the
    error of the sampler that a cell was timed beside, and the cell's own.
    """
    if latency.parts is not None:
        shared = {str(k): _short(latency.parts[k]) for k in latency.parts.nonzero()[0]}
        return shared | ({f"of {cell.slug}": _short(latency.rest)} if latency.rest else {})
    parts = {f"of {cell.slug}": latency.own, f"beside {latency.root}": latency.root_error}
    return {name: _short(error) for name, error in parts.items() if error}


def _metric(cell: StoredCell, name: str) -> Values | None:
    """A metric's value, its standard error where known, and its values [G] without each group."""
    value = cell.quality.value(name)
    if value is None:
        return None
    replicates, error = cell.quality.without_groups(name), cell.quality.value(f"{name}_se")
    return {"value": _short(value), "error": error and _short(error), "replicates": [_short(v) for v in replicates]}


def _short(value: float) -> float:
    return float(f"{float(value):.9g}")


class PlanRows:
    """Plans as numbers of their distinct rows: an interval method has two rows, however many steps it takes."""

    def __init__(self) -> None:
        self.distinct: list[str] = []
        self._numbers: dict[str, int] = {}

    def of(self, cell: StoredCell) -> list[int]:
        return [self._number(row) for row in cell.plan.rows]

    def _number(self, row: str) -> int:
        if row not in self._numbers:
            self._numbers[row] = len(self.distinct)
            self.distinct.append(row)
        return self._numbers[row]


def usual_pair(group: Group, cells: Sequence[StoredCell] | None = None) -> tuple[StoredCell, StoredCell]:
    """What a reader sees first: the best cache setting against fewer steps, and fewer steps at its latency.

    With `cells`, some of the group's, the first is one of them.
    """
    own = group.cells if cells is None else [cell for cell in cells if cell.slug in group.by_slug]
    compared = [cell for cell in own if "fd_gap" in group.verdict(cell)]
    if not compared:
        first = (own or group.cells)[0]
        return first, next(cell for cell in group.cells if cell is not first)
    best = min(compared, key=lambda c: group.verdict(c)["fd_gap"])
    points = group.points
    curve = fewer_steps(points.values(), points[best.slug].family)
    nearest = min(curve, key=lambda p: abs(p.log_latency - points[best.slug].log_latency))
    return best, group.by_slug[nearest.key[1]]


@dataclass(frozen=True)
class Against:
    """A setting against the reference: differences with their intervals as texts, and the numbers they sort by."""

    cell: StoredCell
    quality: str
    quality_key: str
    latency: str
    latency_key: str
    verdict: str


def against_reference(group: Group) -> list[Against]:
    """Every other setting with a place on the plot against the group's reference; empty where that has none."""
    base = group.points.get(group.reference.slug) if group.reference else None
    if base is None:
        return []
    return [_against(group, point, base) for point in group.points.values() if point is not base]


def _against(group: Group, point: Point, base: Point) -> Against:
    worse, slower = pareto.fd_difference(point, [(1.0, base)]), pareto.latency_difference(point, base)
    ends = "" if math.isinf(worse.low) else f" [{signed(worse.low)}, {signed(worse.high)}]"
    ratio, low, high = (math.exp(v) for v in (slower.value, slower.low, slower.high))
    return Against(
        group.by_slug[point.key[1]], f"{signed(worse.value)}{ends}", str(worse.value),
        f"{figure(ratio)}× [{figure(low)}, {figure(high)}]", str(ratio), verdict(worse.sign, slower.sign),
    )  # fmt: skip


def verdict(worse: int, slower: int) -> str:
    """In words what the signs of a difference in distance and in latency decide; 0 is not decided."""
    quality = {1: "worse", 0: "not distinguishable in quality", -1: "better"}[worse]
    speed = {1: "slower", 0: "as fast within error", -1: "faster"}[slower]
    return f"{quality}, {speed}"
