"""What can stand on the axes of the interactive plot: every cost against every quality that some cell has."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bench.show.report.axes import MEASURES
from bench.show.report.column import Row
from bench.show.report.group import Group
from bench.store.stored_cell import StoredCell


@dataclass(frozen=True)
class Axis:
    """A column of results.csv; `low` and `high` name the columns of its 95 % interval."""

    key: str
    label: str
    better: str  # "lower" or "higher"
    low: str = ""
    high: str = ""


COSTS = (
    Axis(
        "latency_paired_ms",
        "Latency of one batch, ms, paired with {reference}",
        "lower",
        "latency_paired_low",
        "latency_paired_high",
    ),
    Axis("latency_ms", "Measured latency of one batch, ms", "lower", "latency_ci_low", "latency_ci_high"),
    Axis("speedup", "Measured speed-up over the same steps uncached", "higher", "speedup_ci_low", "speedup_ci_high"),
    Axis("throughput", "Throughput, images/s", "higher"),
    Axis("macs_g", "GMACs of one image", "lower"),
    Axis("nfe", "Evaluations of the denoiser", "lower"),
    Axis("peak_memory_mb", "Peak memory, MB", "lower"),
    Axis("cache_mb", "Kept tensors of one batch, MB", "lower"),
    Axis("energy_j", "Energy of one image, J", "lower"),
    Axis("training_s", "Training or calibration, s", "lower"),
)
QUALITIES = (
    Axis("fd", "{distance}", "lower"),
    Axis("sfd", "Spatial Fréchet distance", "lower"),
    Axis("is", "Inception score in the same features", "higher"),
    Axis("precision", "Precision", "higher"),
    Axis("recall", "Recall", "higher"),
    Axis("kid", "KID", "lower"),
    Axis("accuracy", "Label accuracy", "higher"),
    Axis("psnr", "PSNR to the same steps uncached, dB", "higher", "psnr_low", "psnr_high"),
    Axis("psnr_reference", "PSNR to {reference}, dB", "higher"),
    Axis("latent_error", "Latent error to the same steps uncached", "lower"),
    Axis("latent_error_reference", "Latent error to {reference}", "lower"),
    Axis("ssim", "SSIM to the same steps uncached", "higher", "ssim_low", "ssim_high"),
    Axis("lpips", "LPIPS to the same steps uncached", "lower"),
)
_INTERVALS = {measure.key: measure for measure in MEASURES}
Values = list[list[float] | None]


def used(axes: tuple[Axis, ...], table: pd.DataFrame) -> list[Axis]:
    """The axes along which at least two rows have a place."""
    return [axis for axis in axes if table[axis.key].notna().sum() > 1]


def label(axis: Axis, group: Group) -> str:
    """The axis's title with its direction."""
    reference = group.reference.method if group.reference else "the reference"
    return f"{axis.label.format(distance=group.heading, reference=reference)}, {axis.better} is better"


def values(axis: Axis, cells: list[StoredCell], rows: list[Row]) -> Values:
    """For every cell [value] or [value, low, high], as shown to 6 digits; None where it has no value."""
    return [_value(axis, cell, row) for cell, row in zip(cells, rows, strict=True)]


def _value(axis: Axis, cell: StoredCell, row: Row) -> list[float] | None:
    if pd.isna(row[axis.key]):
        return None
    numbers = [row[axis.key]]
    if axis.low and pd.notna(row[axis.low]) and pd.notna(row[axis.high]):
        numbers += [row[axis.low], row[axis.high]]
    elif axis.key in _INTERVALS:
        numbers += _INTERVALS[axis.key].ends(cell) or ()
    return [float(f"{float(v):.6g}") for v in numbers]
