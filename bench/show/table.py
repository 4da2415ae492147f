"""Cells as one tidy table: the contract's columns, then ours."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.host.files import write_bytes
from bench.schema.cell import Cell, look_up
from bench.show.published.columns import PUBLISHED_COLUMNS, published_columns
from bench.store.results import one_line

# Where each column comes from in the cell. None: filled in below or by the Pareto analysis.
_CONTRACT: dict[str, str | None] = {
    "model": "model", "method": "method", "sampler": "sampler.name", "steps": "sampler.steps", "nfe": "plan.nfe",
    "cache": None, "params": None, "status": "status", "reason": "reason", "samples": "quality.samples",
    "latency_ms": "timing.latency_ms.median", "latency_ci_low": "timing.latency_ms.low",
    "latency_ci_high": "timing.latency_ms.high", "speedup": "timing.speedup.median",
    "speedup_ci_low": "timing.speedup.low", "speedup_ci_high": "timing.speedup.high",
    "speedup_ideal": "timing.speedup_ideal", "macs_g": None, "macs_ratio": "work.macs_ratio",
    "branches_computed": "plan.branches_computed", "peak_memory_mb": "memory.peak_mb", "cache_mb": "memory.cache_mb",
    "features": "quality.features", "reference": "quality.reference", "fd": "quality.fd", "fd_se": "quality.fd_se",
    "fd_corrected": "quality.fd_corrected", "sfd": "quality.sfd", "is": "quality.is", "precision": "quality.precision",
    "recall": "quality.recall", "kid": "quality.kid", "psnr": "quality.psnr", "latent_error": "quality.latent_error",
    "training_s": "training.seconds", "pareto": None, "protocol": "protocol", "device": "settings.device",
    "dtype": "settings.dtype", "batch": "timing.batch",
}  # fmt: skip


_EXTRA: dict[str, str | None] = {
    "latency_paired_ms": None, "latency_paired_low": None, "latency_paired_high": None,
    "fd_gap": None, "fd_gap_low": None, "fd_gap_high": None, "vs_fewer_steps": None,
    "speedup_equal": None, "speedup_equal_low": None, "speedup_equal_high": None,
    "hypervolume": None, "hypervolume_low": None, "hypervolume_high": None,
    "accuracy": "quality.accuracy", "accuracy_se": "quality.accuracy_se", "identical": "quality.identical",
    "fd_low": "quality.fd_low", "fd_high": "quality.fd_high", "fd_infinity": "quality.fd_infinity",
    "fd_infinity_se": "quality.fd_infinity_se", "fd_spread": "quality.fd_spread", "sfd_se": "quality.sfd_se",
    "is_se": "quality.is_se", "kid_se": "quality.kid_se", "psnr_low": "quality.psnr_low",
    "psnr_high": "quality.psnr_high", "ssim": "quality.ssim", "ssim_low": "quality.ssim_low",
    "ssim_high": "quality.ssim_high", "latent_cosine": "quality.latent_cosine", "lpips": "quality.lpips",
    "psnr_reference": "quality.psnr_reference", "latent_error_reference": "quality.latent_error_reference",
    "resolution_low": "timing.resolution.low", "resolution_high": "timing.resolution.high",
    "baseline_ms": "timing.baseline_ms.median", "reference_samples": "quality.reference_samples",
    "seed": "quality.seed", "guidance_scale": "settings.guidance_scale", "threads": "timing.threads",
    "sampler_params": None, "slug": "slug",
    "image_size": "settings.image_size", "throughput": "timing.throughput",
    "speedup_roofline": "timing.roofline.speedup", "roofline_fraction": None, "gemm_fraction": "timing.gemm_fraction",
    "speedup_reference": "timing.speedup_reference.median", "speedup_reference_low": "timing.speedup_reference.low",
    "speedup_reference_high": "timing.speedup_reference.high", "enqueue_us": "timing.enqueue_us",
    "decode_ms": "timing.decode_ms.median", "prepare_s": "timing.prepare_s", "energy_j": "timing.energy_j",
    "largest_batch": "timing.largest.batch", "largest_throughput": "timing.largest.throughput",
    "weights_mb": "memory.weights_mb", "cache_measured_mb": "memory.cache_measured_mb",
    "interfered_rounds": "timing.interfered_rounds", "throttled_rounds": "timing.throttled_rounds", "warnings": None,
}  # fmt: skip


CONTRACT_COLUMNS = tuple(_CONTRACT)


COLUMNS = (*_CONTRACT, *_EXTRA, *PUBLISHED_COLUMNS)


_INTEGERS = ("steps", "nfe", "samples", "batch", "identical", "reference_samples", "seed", "threads", "image_size",
             "largest_batch", "interfered_rounds", "throttled_rounds")  # fmt: skip


_TEXT = ("model", "method", "sampler", "cache", "params", "status", "reason", "features", "reference", "pareto",
         "protocol", "device", "dtype", "vs_fewer_steps", "sampler_params", "slug", "warnings",
         *PUBLISHED_COLUMNS)  # fmt: skip


def frame(cells: Iterable[Cell], analysis: dict[tuple[str, str], dict[str, Any]] | None = None) -> pd.DataFrame:
    """One row a cell, columns COLUMNS; missing means not applicable. `analysis` is what pareto.analyse answers."""
    rows = [row_of(cell) | (analysis or {}).get((cell["model"], cell["slug"]), {}) for cell in cells]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    for name in COLUMNS:
        if name in _TEXT:
            table[name] = table[name].where(table[name].notna(), "").astype(object)
        else:
            table[name] = pd.to_numeric(table[name]).astype("Int64" if name in _INTEGERS else "float64")
    return table.copy()  # in one piece again


def row_of(cell: Cell) -> dict[str, Any]:
    """The columns that come straight from one cell."""
    row = {name: look_up(cell, path) for name, path in (_CONTRACT | _EXTRA).items() if path}
    macs = look_up(cell, "work.macs")
    roofline = row["speedup_roofline"]
    row |= {
        "roofline_fraction": row["speedup"] / roofline if row["speedup"] and roofline else None,
        "warnings": "; ".join(look_up(cell, "timing.warnings") or ()),
        "cache": look_up(cell, "cache.name") or "none",
        "params": _as_json(look_up(cell, "cache.params")),
        "sampler_params": _as_json(look_up(cell, "sampler.params")),
        "macs_g": None if macs is None else macs / 1e9,
        **published_columns(cell),
    }
    if cell["status"] == "ok":
        return row
    return {name: value for name, value in row.items() if name in _TEXT or name == "steps"}


def _as_json(params: dict[str, Any] | None) -> str:
    return json.dumps(params or {}, sort_keys=True)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write `table` atomically. Raises InputError where that fails."""
    write_bytes(path, csv_bytes(table))


def csv_bytes(table: pd.DataFrame) -> bytes:
    """`table` as CSV. Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    safe = table.copy()
    for name in safe.columns:
        if safe[name].dtype == object:
            safe[name] = safe[name].map(_no_formula)
    return safe.to_csv(index=False, lineterminator="\n").encode()


def _no_formula(value: object) -> object:
    if not isinstance(value, str):
        return value
    line = one_line(value)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line
