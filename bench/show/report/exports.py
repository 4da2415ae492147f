"""Every table in four formats: CSV and JSON with all columns in full precision, Markdown and LaTeX for readers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.show.published.columns import PUBLISHED_COLUMNS, published_records
from bench.show.report import published
from bench.show.report.bias import bias_sentence
from bench.show.report.group import Analysis, Group
from bench.show.report.markup import latex_table, markdown_table, markdown_text
from bench.show.report.provenance import measured
from bench.show.report.tables import short_table
from bench.show.report.timing_notes import rounds_sentence, warning_sentence
from bench.show.table import csv_bytes, frame
from bench.store.stored_cell import StoredCell

FORMATS = {"csv": "csv", "json": "json", "markdown": "md", "latex": "tex"}  # and the suffixes of their files
_OBJECTS = ("params", "sampler_params")  # JSON inside the tidy table


def exported(form: str, cells: Sequence[StoredCell], groups: Sequence[Group], analysis: Analysis) -> str:
    """The table of `cells` in a format of FORMATS; `groups` and `analysis` are those of all cells that they rank among.

    CSV and JSON are one tidy table, results.csv's columns (docs/results-schema.md). Markdown and LaTeX are one table a
    group, because a column never mixes what was measured differently.
    """
    if form in ("csv", "json"):
        return _tidy(form, cells, frame(cells, analysis))
    return _readable(form, short_tables(cells, groups))


def exports(cells: Sequence[StoredCell], groups: Sequence[Group], table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(format, text) of the table of all cells, one format after the other; `table` is their tidy one."""
    short = short_tables(cells, groups)
    for form in FORMATS:
        yield form, _tidy(form, cells, table) if form in ("csv", "json") else _readable(form, short)


def _tidy(form: str, cells: Sequence[StoredCell], table: pd.DataFrame) -> str:
    if form == "csv":
        return csv_bytes(table).decode()
    rows = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in records(cells, table))
    return "[\n" + ",\n".join(rows) + "\n]\n"


def _readable(form: str, tables: Sequence[ShortTable]) -> str:
    return "\n".join(map(markdown if form == "markdown" else latex, tables))


@dataclass(frozen=True)
class ShortTable:
    """What fits on paper of some of a group's cells, with how it was measured and the sources of published numbers."""

    title: str
    anchor: str
    caption: str
    heading: list[str]
    rows: list[list[str]]
    notes: list[str]


def short_tables(cells: Sequence[StoredCell], groups: Sequence[Group]) -> list[ShortTable]:
    """One of every group that holds some of the cells."""
    shown = [(group, wanted) for group in groups if (wanted := _of(group, cells))]
    return [
        ShortTable(g.title, g.anchor, caption(g, own), *short_table(g, own), published.notes(own)) for g, own in shown
    ]


def _of(group: Group, cells: Sequence[StoredCell]) -> list[StoredCell]:
    wanted = {cell.name for cell in cells}
    return [cell for cell in (*group.cells, *group.without_numbers) if cell.name in wanted]


def records(cells: Sequence[StoredCell], table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of the cells' tidy table as objects; what does not apply is null, published numbers are a list."""
    table = table.drop(columns=list(PUBLISHED_COLUMNS)).astype(object)
    names = [str(name) for name in table]
    rows = zip(*(_values(name, table[name]) for name in names), strict=True)
    for cell, row in zip(cells, rows, strict=True):
        yield dict(zip(names, row, strict=True)) | {"published": published_records(cell)}


def _values(name: str, column: pd.Series) -> list[Any]:
    """Those of a column; None for what is missing, empty or infinite."""
    there = (column.notna() & (column != "") & (column != math.inf) & (column != -math.inf)).tolist()
    known = [value if fine else None for value, fine in zip(column.tolist(), there, strict=True)]
    return [value and json.loads(value) for value in known] if name in _OBJECTS else known


def markdown(table: ShortTable) -> str:
    """The table under its title, with its caption and its notes."""
    notes = [f"- {markdown_text(note)}" for note in table.notes]
    parts = [f"### {markdown_text(table.title)}", markdown_text(table.caption),
             markdown_table(table.heading, table.rows).rstrip("\n"), "\n".join(notes)]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(table: ShortTable) -> str:
    """The same as a table for booktabs and graphicx."""
    return latex_table(table.heading, table.rows, f"{table.title}. {table.caption}", table.anchor, table.notes)


def caption(group: Group, cells: Sequence[StoredCell]) -> str:
    """Protocol, machine, samples, seeds and commit of some of a group's cells; how to read their numbers; warnings."""
    read = [
        f"{group.distance} ± standard error." if any(cell.quality.value("fd") is not None for cell in cells) else "",
        "Brackets are 95 % intervals; speed-ups are measured against the same sampler and steps uncached."
        if any(cell.timing.latency_ms for cell in cells) else "",
        bias_sentence(group),
        rounds_sentence(cells),
        warning_sentence(cells),
    ]  # fmt: skip
    return " ".join(part for part in (measured(cells), *read) if part)
