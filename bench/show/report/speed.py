"""Speed on its own: measured, roofline-ideal and MAC-ideal side by side, and what the machine can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.show.batch_table import COLUMNS, rows_of
from bench.show.report.column import Column, Row, records
from bench.show.report.format import MISSING, between, duration, figure, percent
from bench.show.report.group import Group
from bench.show.report.provenance import machine_words


@dataclass(frozen=True)
class SpeedTable:
    """Headings with their meanings, and for every cell (method, texts); only columns that some cell fills."""

    columns: list[Column]
    rows: list[tuple[str, list[str]]]


def times(value: Any) -> str:
    return MISSING if pd.isna(value) else f"{figure(value)}×"


def measured_speedup(row: Row) -> str:
    """With its interval, and the remark where the clock cannot tell it from none."""
    if pd.isna(row["speedup"]):
        return MISSING
    text = f"{times(row['speedup'])} {between(row['speedup_ci_low'], row['speedup_ci_high'])}"
    return text if row.get("claimed", True) else f"{text}, within A/A"


def latency(row: Row) -> str:
    return f"{figure(row['latency_ms'])} {between(row['latency_ci_low'], row['latency_ci_high'])}".strip()


def paired_latency(row: Row) -> str:
    """The latency that verdicts stand on; the cell's own where there is none."""
    if pd.isna(row["latency_paired_ms"]):
        return latency(row)
    low, high = row["latency_paired_low"], row["latency_paired_high"]
    return f"{figure(row['latency_paired_ms'])} {between(low, high) if low < high else '(reference)'}"


IDEALS = [
    Column("Speed-up", "measured, against the same sampler and steps uncached", measured_speedup, "speedup"),
    Column("Roofline-ideal", "what it would be if computing went at the baseline's rate and reused tensors were "
           "read at the rate of a copy: not a measurement", lambda r: times(r["speedup_roofline"]), "speedup_roofline"),
    Column("MAC-ideal", "what it would be if time were proportional to MACs: not a measurement",
           lambda r: times(r["speedup_ideal"]), "speedup_ideal"),
]  # fmt: skip
GEMM = Column("Of GEMM rate", "MACs that were made, a second, of those of a large matrix product in the same run; "
              "saved work counts zero", lambda r: percent(r["gemm_fraction"]), "gemm_fraction")  # fmt: skip
THROUGHPUT = Column("Images/s", "batch / median latency", lambda r: figure(r["throughput"]), "throughput")
LATENCY = Column("Latency, ms", "one batch's whole trajectory, by the cell's own clock: median and 95 % interval",
                 latency, "latency_ms")  # fmt: skip

COST = [
    LATENCY,
    THROUGHPUT,
    *IDEALS,
    Column("Measured / roofline", "how much of the possible speed-up was reached",
           lambda r: percent(r["roofline_fraction"], 0), "roofline_fraction"),
    GEMM,
    Column("Against the reference", "uncached cells: speed-up over the reference method, in the same rounds",
           lambda r: f"{times(r['speedup_reference'])} "
           f"{between(r['speedup_reference_low'], r['speedup_reference_high'])}".strip(), "speedup_reference"),
    Column("Host, µs", "in which the host enqueues one evaluation", lambda r: figure(r["enqueue_us"]), "enqueue_us"),
    Column("Decoding, ms", "one batch's latents to images; in no latency", lambda r: figure(r["decode_ms"]),
           "decode_ms"),
    Column("Preparing", "compilation and graph capture; in no latency", lambda r: duration(r["prepare_s"]),
           "prepare_s"),
    Column("Energy, J", "for one image", lambda r: figure(r["energy_j"]), "energy_j"),
    Column("Largest batch", "that fits, and images a second there",
           lambda r: f"{r['largest_batch']}: {figure(r['largest_throughput'])}/s", "largest_batch"),
    Column("Weights, MB", "of the denoiser", lambda r: figure(r["weights_mb"]), "weights_mb"),
    Column("Cache predicted, MB", "kept tensors of one batch, from the plan", lambda r: figure(r["cache_mb"]),
           "cache_mb"),
    Column("Cache counted, MB", "the same, counted on the tensors", lambda r: figure(r["cache_measured_mb"]),
           "cache_measured_mb"),
]  # fmt: skip
BATCHES = [
    Column("Batch", "images in one trajectory", lambda r: str(r["batch"]), "batch"),
    LATENCY, THROUGHPUT, *IDEALS, GEMM,
    Column("Reason", "why there are no times", lambda r: r["reason"] or MISSING, "reason"),
]  # fmt: skip


def speed_table(group: Group, table: pd.DataFrame) -> SpeedTable | None:
    """Of the group's cells with times, `table` being their rows; None where no cell says more than its latency."""
    timed = table[table["latency_ms"].notna()]
    if timed.empty or not timed["throughput"].notna().any():
        return None
    return filled(COST, timed, list(timed["method"]))


def batch_table(group: Group) -> SpeedTable | None:
    """Every cell that is shown at every batch; None where all have one."""
    cells = [cell for cell in group.shown if cell.timing.latency_ms and cell.timing.further]
    rows = [(cell.method, row) for cell in cells for row in rows_of(cell)]
    if not rows:
        return None
    return filled(BATCHES, pd.DataFrame([row for _, row in rows], columns=list(COLUMNS)), [name for name, _ in rows])


def filled(columns: Sequence[Column], table: pd.DataFrame, names: list[str]) -> SpeedTable:
    """The columns that some row of `table` fills, and their texts."""
    used = [column for column in columns if table[column.key].notna().any()]
    texts = [[_text(column, row) for column in used] for row in records(table)]
    return SpeedTable(used, list(zip(names, texts, strict=True)))


def _text(column: Column, row: Row) -> str:
    return MISSING if pd.isna(row[column.key]) else column.text(row)


def conditions(group: Group) -> str:
    """`Images of 256 × 256 pixels, timed in batches of 8 in bfloat16 on NVIDIA H200.`; empty without cells."""
    if not group.timed:
        return ""
    first = group.timed[0]
    size = first.settings.image_size
    images = f"Images of {size} × {size} pixels" if size else "Images of unrecorded size"
    batch, dtype = first.timing.batch or "?", first.settings.dtype or "?"
    return f"{images}, timed in batches of {batch} in {dtype} on {machine_words(first)}."
