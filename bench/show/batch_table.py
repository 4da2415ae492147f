"""batches.csv: the times of every cell at every batch, one tidy row each. Reads; never measures."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.show.table import write_csv
from bench.store.parts import Timing
from bench.store.stored_cell import StoredCell

COLUMNS = ("model", "slug", "batch", "reason", "latency_ms", "latency_ci_low", "latency_ci_high", "speedup",
           "speedup_ci_low", "speedup_ci_high", "speedup_ideal", "speedup_roofline", "gemm_fraction",
           "throughput")  # fmt: skip


def rows_of(cell: StoredCell) -> list[dict[str, Any]]:
    """One row a batch, the headline first; a batch that did not fit has its reason and no numbers."""
    head = {"model": cell.model, "slug": cell.slug}
    entries = [cell.timing, *cell.timing.further] if cell.timing.latency_ms else []
    return [head | row_of(entry) for entry in entries]


def row_of(timing: Timing) -> dict[str, Any]:
    """The columns that come from the times at one batch."""
    plain = ("batch", "reason", "speedup_ideal", "speedup_roofline", "gemm_fraction", "throughput")
    row = {name: getattr(timing, name) for name in plain}
    for name, start, interval in (("latency_ms", "latency", timing.latency_ms), ("speedup", "speedup", timing.speedup)):
        if interval is not None:
            row |= {name: interval.median, f"{start}_ci_low": interval.low, f"{start}_ci_high": interval.high}
    return row


def several_batches(cells: Iterable[StoredCell]) -> bool:
    """Whether any cell was timed at more than its headline batch."""
    return any(cell.timing.further for cell in cells)


def write_batches(cells: Iterable[StoredCell], path: Path) -> None:
    """Write batches.csv where there are several batches; a file of an earlier report that no longer holds goes."""
    cells = list(cells)
    if not several_batches(cells):
        path.unlink(missing_ok=True)
        return
    write_csv(pd.DataFrame([row for cell in cells for row in rows_of(cell)], columns=list(COLUMNS)), path)
