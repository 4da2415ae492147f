"""batches.csv: the times of every cell at every batch, one tidy row each. Reads; never measures."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema.cell import Cell, look_up
from bench.schema.timing import batches_of
from bench.show.table import write_csv

_COLUMNS = {
    "batch": "batch", "reason": "reason", "latency_ms": "latency_ms.median", "latency_ci_low": "latency_ms.low",
    "latency_ci_high": "latency_ms.high", "speedup": "speedup.median", "speedup_ci_low": "speedup.low",
    "speedup_ci_high": "speedup.high", "speedup_ideal": "speedup_ideal", "speedup_roofline": "roofline.speedup",
    "gemm_fraction": "gemm_fraction", "throughput": "throughput",
}  # fmt: skip
COLUMNS = ("model", "slug", *_COLUMNS)


def rows_of(cell: Cell) -> list[dict[str, Any]]:
    """One row a batch, the headline first; a batch that did not fit has its reason and no numbers."""
    head = {"model": cell["model"], "slug": cell["slug"]}
    entries = [cell["timing"], *batches_of(cell["timing"])] if look_up(cell, "timing.latency_ms") else []
    return [head | {name: look_up(entry, path) for name, path in _COLUMNS.items()} for entry in entries]


def several_batches(cells: Iterable[Cell]) -> bool:
    """Whether any cell was timed at more than its headline batch."""
    return any(batches_of(cell.get("timing")) for cell in cells)


def write_batches(cells: Iterable[Cell], path: Path) -> None:
    """Write batches.csv where there are several batches; a file of an earlier report that no longer holds goes."""
    cells = list(cells)
    if not several_batches(cells):
        path.unlink(missing_ok=True)
        return
    write_csv(pd.DataFrame([row for cell in cells for row in rows_of(cell)], columns=list(COLUMNS)), path)
