"""The results table as texts, for the page and in short. One column, one protocol, one sample count."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.judge.verdict import VERDICTS
from bench.show.report.column import WORK, Column, Row
from bench.show.report.format import MISSING, duration, figure, percent, plus_minus, signed
from bench.show.report.group import Group
from bench.show.report.published import short_columns
from bench.show.report.quality import quality_columns
from bench.show.report.speed import latency, measured_speedup, paired_latency, times
from bench.store.stored_cell import StoredCell

LATENCY = Column("Latency, ms", "one batch's whole trajectory: median and 95 % interval", latency, "latency_ms", True)
PAIRED = Column("Latency, ms", "one batch's whole trajectory: its ratio to the reference within rounds, times that "
                "one's median, with 95 % interval; each cell's own times stand under cost", paired_latency,
                "latency_paired_ms", True)  # fmt: skip


def columns(group: Group) -> list[Column]:
    """The columns of a group's table; those that no cell fills are left out by `used_columns`."""
    d = group.distance
    return [
        Column("Verdict", "use: the fastest that is surely good enough; worth: every other is surely worse or slower; "
               "replaceable: another is surely better on one axis and no worse on the other; else undecided",
               _verdict, "verdict", True),
        Column(group.heading, f"{d} ± standard error (delete-group jackknife); lower is better",
               lambda r: plus_minus(r["fd"], r["fd_se"]), "fd", True),
        PAIRED if group.is_paired else LATENCY,
        Column("Speed-up", "measured, against the same sampler and steps uncached: median of paired ratios",
               measured_speedup, "speedup", True),
        Column("vs fewer steps", f"bias-corrected {d} minus that of fewer steps at equal measured latency",
               _versus, "fd_gap", True),
        Column("Equal-quality speed-up", "latency of fewer steps of the same sampler where they are as good, over the "
               "method's own, with its 95 % interval; … where that leaves the curve", _at_equal_quality,
               "speedup_equal", view=WORK),
        Column("NFE", "evaluations of the denoiser", lambda r: _whole(r["nfe"]), "nfe", True),
        Column("Accuracy", "samples classified as their label",
               lambda r: percent(r["accuracy"]), "accuracy", True),
        Column("Instead", "the setting that replaces it", lambda r: r["instead"] or MISSING, "instead"),
        Column("Roofline-ideal", "what the speed-up would be if only computing and reading reused tensors took time: "
               "not a measurement", lambda r: times(r["speedup_roofline"]), "speedup_roofline", True, WORK),
        Column("MAC-ideal", "what the speed-up would be if time were proportional to MACs: not a measurement",
               lambda r: times(r["speedup_ideal"]), "speedup_ideal", True, WORK),
        Column("Branches computed", "of the same sampler uncached", lambda r: percent(r["branches_computed"], 0),
               "branches_computed", view=WORK),
        *quality_columns(group),
        Column("Peak memory, MB", "of the process while sampling", lambda r: figure(r["peak_memory_mb"]),
               "peak_memory_mb", view=WORK),
        Column("Cache, MB", "kept tensors of one batch", lambda r: figure(r["cache_mb"]), "cache_mb", view=WORK),
        Column("Training", "time to train or calibrate the method, charged to it",
               lambda r: duration(r["training_s"]), "training_s", True),
    ]  # fmt: skip


def used_columns(group: Group, table: pd.DataFrame) -> list[Column]:
    """The columns in which at least one cell has something; that of verdicts also says why a cell has no numbers."""
    unfinished = bool((table["status"] != "ok").any())
    return [c for c in columns(group) if _filled(table[c.key]) or (c.key == "verdict" and unfinished)]


def _filled(column: pd.Series) -> bool:
    return bool((column.notna() & (column != "")).any())


def table_of(group: Group, cells: Sequence[StoredCell] | None = None) -> pd.DataFrame:
    """The rows of some of a group's cells, by default of all."""
    return group.table if cells is None else group.table.iloc[[group.positions[cell.slug] for cell in cells]]


def records_of(group: Group, cells: Sequence[StoredCell]) -> list[Row]:
    """The rows of some of a group's cells as plain mappings."""
    return [group.records[group.positions[cell.slug]] for cell in cells]


@dataclass(frozen=True)
class Shown:
    """A cell of the page's table: text, sort key (empty: sorts last) and class."""

    text: str
    key: str
    class_: str = ""


def page_rows(group: Group) -> tuple[list[Column], list[tuple[StoredCell, str, list[Shown]]]]:
    """The columns and, for every cell that is listed, (cell, row id, its table cells)."""
    cells = group.listed
    table = table_of(group, cells)
    used = used_columns(group, table)
    rows = [
        (cell, group.row_id(cell), [_shown(c, row) for c in used])
        for cell, row in zip(cells, records_of(group, cells), strict=True)
    ]
    return used, rows


def _shown(column: Column, row: Row) -> Shown:
    value = row[column.key]
    key = "" if value is None or pd.isna(value) else str(value)
    if column.key == "verdict":
        order = str(VERDICTS.index(row["verdict"]) if row["verdict"] in VERDICTS else len(VERDICTS))
        status = row["status"] if row["status"] != "ok" else row["verdict"]
        return Shown(column.text(row), order, f"verdict {status}")
    return Shown(column.text(row), key, f"versus {row['vs_fewer_steps']}" if column.key == "fd_gap" else column.view)


def _verdict(row: Row) -> str:
    return (row["verdict"] or MISSING) if row["status"] == "ok" else row["status"]


def _versus(row: Row) -> str:
    if pd.isna(row["fd_gap"]):
        return MISSING
    bounds = f"[{signed(row['fd_gap_low'])}, {signed(row['fd_gap_high'])}]"
    return f"{signed(row['fd_gap'])} {bounds} {row['vs_fewer_steps']}"


def _at_equal_quality(row: Row) -> str:
    if pd.isna(row["speedup_equal"]):
        return MISSING
    low, high = ("…" if pd.isna(row[f"speedup_equal_{end}"]) else figure(row[f"speedup_equal_{end}"])
                 for end in ("low", "high"))  # fmt: skip
    return f"{times(row['speedup_equal'])} [{low}, {high}]"


def _whole(value: object) -> str:
    return MISSING if pd.isna(value) else str(value)  # type: ignore[call-overload]


def short_table(group: Group, cells: Sequence[StoredCell] | None = None) -> tuple[list[str], list[list[str]]]:
    """Headings and texts of what fits on paper, of a group's cells or some of them; published numbers come last."""
    cells = [*group.cells, *group.without_numbers] if cells is None else cells
    table = table_of(group, cells)
    used = [c for c in used_columns(group, table) if c.short]
    rows: list[list[str]] = []
    published = short_columns(cells)
    for row, *stated in zip(records_of(group, cells), *published.values(), strict=True):
        note = f" ({row['reason']})" if row["status"] != "ok" and row["reason"] else ""
        rows.append([row["method"], *(c.text(row) + (note if c.key == "verdict" else "") for c in used), *stated])
    return ["Method", *(c.heading for c in used), *published], rows
