"""Published numbers in the tidy table: columns of their own, with their source, in the row of the cell they belong to.

Where several sources state a cell's setting, a column holds their values in the order of `published_source`, separated
by "; ", with "–" for what one of them does not state; with one source it is a plain number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from bench.show.published.checks import METRICS
from bench.show.published.rows import Published, load
from bench.store.stored_cell import StoredCell

UNSTATED = "–"


def source_of(row: Published) -> str:
    """`L2C-P, table 1`."""
    return ", ".join(part for part in (row.source.tag, row.table) if part)


def remarks_of(row: Published) -> str:
    """Notes and known errata of the row."""
    return ". ".join(part.rstrip(".") for part in (row.note, *row.errata) if part)


_TEXT: dict[str, Callable[[Published], str]] = {
    "source": source_of,
    "hardware": lambda row: row.hardware,
    "convention": lambda row: row.convention,
    "remarks": remarks_of,
}
_NUMBERS: dict[str, Callable[[Published], float | None]] = {
    **{name: lambda row, name=name: row.metrics.get(name) for name in METRICS},  # type: ignore[misc]
    "samples": lambda row: row.samples,
    "latency_s": lambda row: row.latency_s,
    "speedup": lambda row: row.speedup,
    "macs_t": lambda row: row.macs_t,
}
PUBLISHED_COLUMNS = tuple(
    f"published_{name}"
    for name in ("source", *METRICS, "samples", "latency_s", "speedup", "hardware", "macs_t", "convention", "remarks")
)


def rows_of(cell: StoredCell) -> list[Published]:
    """The published rows of an ok cell's setting: its model, methods with every parameter, and guidance."""
    if not cell.is_ok:
        return []
    return _by_setting().get((*cell.name, cell.settings.guidance_scale), [])


@cache
def _by_setting() -> dict[tuple[Any, ...], list[Published]]:
    rows: dict[tuple[Any, ...], list[Published]] = {}
    for row in load():
        if row.cell:
            rows.setdefault((row.model, row.cell, row.guidance_scale), []).append(row)
    return rows


def published_columns(cell: StoredCell) -> dict[str, str]:
    """PUBLISHED_COLUMNS of one cell; empty where nobody states anything."""
    rows = rows_of(cell)
    texts = {name: [read(row) for row in rows] for name, read in _TEXT.items()}
    for name, number in _NUMBERS.items():
        texts[name] = ["" if (value := number(row)) is None else f"{value!r}" for row in rows]
    return {f"published_{name}": _joined(values) for name, values in texts.items()}


def _joined(values: list[str]) -> str:
    return "; ".join(value or UNSTATED for value in values) if any(values) else ""


def published_records(cell: StoredCell) -> list[dict[str, Any]]:
    """The same for JSON: one object a source, without what it does not state."""
    return [_record(row) for row in rows_of(cell)]


def _record(row: Published) -> dict[str, Any]:
    stated = {name: read(row) for name, read in (_TEXT | _NUMBERS).items()}
    known = {name: value for name, value in stated.items() if value not in (None, "")}
    return known | {
        "citation": row.source.citation,
        "url": row.source.url,
        "second_hand": row.second_hand or row.source.second_hand,
    }
