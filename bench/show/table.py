"""Cells as one tidy table: the contract's columns, then ours."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.host.files import write_bytes
from bench.schema import metrics
from bench.show.published.columns import PUBLISHED_COLUMNS, published_columns
from bench.show.warning_text import warning_text
from bench.store.parts import MedianInterval
from bench.store.results import one_line
from bench.store.stored_cell import Name, StoredCell

CONTRACT_COLUMNS = (
    "model", "method", "sampler", "steps", "nfe", "cache", "params", "status", "reason", "samples", "latency_ms",
    "latency_ci_low", "latency_ci_high", "speedup", "speedup_ci_low", "speedup_ci_high", "speedup_ideal", "macs_g",
    "macs_ratio", "branches_computed", "peak_memory_mb", "cache_mb", "features", "reference", "fd", "fd_se",
    "fd_corrected", "sfd", "is", "precision", "recall", "kid", "psnr", "latent_error", "training_s", "pareto",
    "protocol", "device", "dtype", "batch",
)  # fmt: skip
_EXTRA = (
    "latency_paired_ms", "latency_paired_low", "latency_paired_high", "fd_gap", "fd_gap_low", "fd_gap_high",
    "vs_fewer_steps", "speedup_equal", "speedup_equal_low", "speedup_equal_high", "hypervolume", "hypervolume_low",
    "hypervolume_high", "accuracy", "accuracy_se", "identical", "fd_corrected_low", "fd_corrected_high",
    "fd_infinity", "fd_infinity_se", "fd_spread", "sfd_se", "is_se", "kid_se", "psnr_low", "psnr_high", "ssim",
    "ssim_low", "ssim_high", "latent_cosine", "lpips", "psnr_reference", "latent_error_reference",
    "resolution_low", "resolution_high", "baseline_ms", "reference_samples", "seed", "guidance_scale",
    "threads", "sampler_params", "slug", "image_size", "throughput", "speedup_roofline",
    "roofline_fraction", "gemm_fraction", "speedup_reference", "speedup_reference_low",
    "speedup_reference_high", "enqueue_us", "decode_ms", "prepare_s", "energy_j",
    "largest_batch", "largest_throughput", "weights_mb", "cache_measured_mb", "interfered_rounds",
    "throttled_rounds", "warnings",
)  # fmt: skip
_SINCE_4 = ("engine", "verdict", "verdict_by")  # columns that came with protocol 4
_LIBRARY = ("speedup_own", "speedup_own_low", "speedup_own_high", "engine_difference")  # of other engines' cells
_INTEGERS = ("steps", "nfe", "samples", "batch", "identical", "reference_samples", "seed", "threads", "image_size",
             "largest_batch", "interfered_rounds", "throttled_rounds")  # fmt: skip
_TEXT = ("model", "method", "sampler", "cache", "params", "status", "reason", "features", "reference", "pareto",
         "protocol", "device", "dtype", "vs_fewer_steps", "sampler_params", "slug", "warnings",
         *_SINCE_4, *PUBLISHED_COLUMNS)  # fmt: skip
Columns = dict[str, Any]


def columns() -> tuple[str, ...]:
    """All columns: once a column has a place, it keeps it; metrics that have none yet follow."""
    return tuple(
        dict.fromkeys((*CONTRACT_COLUMNS, *_EXTRA, *metrics.numbers(), *PUBLISHED_COLUMNS, *_SINCE_4, *_LIBRARY))
    )


COLUMNS = columns()


def frame(cells: Iterable[StoredCell], analysis: Mapping[Name, Columns] | None = None) -> pd.DataFrame:
    """One row a cell, columns COLUMNS; missing means not applicable. `analysis` is what pareto.analyse answers."""
    rows = [row_of(cell) | (analysis or {}).get(cell.name, {}) for cell in cells]
    table = pd.DataFrame(rows, columns=list(columns()), dtype=object)
    for name in table.columns:
        if name in _TEXT:
            table[name] = table[name].where(table[name].notna(), "").astype(object)
        else:
            table[name] = pd.to_numeric(table[name]).astype("Int64" if name in _INTEGERS else "float64")
    return table.copy()  # in one piece again


def row_of(cell: StoredCell) -> Columns:
    """The columns that come straight from one cell."""
    setting = setting_columns(cell)
    if not cell.is_ok:
        return setting
    return {**setting, **speed_columns(cell), **work_columns(cell), **quality_columns(cell), **published_columns(cell)}


def setting_columns(cell: StoredCell) -> Columns:
    """What was run and what became of it: all that a cell without numbers has."""
    return {
        "model": cell.model, "slug": cell.slug, "method": cell.method, "status": cell.status, "reason": cell.reason,
        "sampler": cell.sampler.name, "steps": cell.sampler.steps, "sampler_params": as_json(cell.sampler.params),
        "cache": cell.cache.name if cell.cache else "none", "params": as_json(cell.cache.params if cell.cache else {}),
        "protocol": cell.protocol, "device": cell.settings.device, "dtype": cell.settings.dtype, "engine": cell.engine,
    }  # fmt: skip


def speed_columns(cell: StoredCell) -> Columns:
    """Times, and how far they can be trusted."""
    timing, largest = cell.timing, cell.timing.largest
    plain = ("batch", "threads", "speedup_ideal", "throughput", "speedup_roofline", "gemm_fraction", "enqueue_us",
             "prepare_s", "energy_j", "interfered_rounds", "throttled_rounds")  # fmt: skip
    roofline = timing.speedup_roofline
    return {
        **{name: getattr(timing, name) for name in plain},
        **interval_columns("latency", timing.latency_ms, "_ms", "_ci"),
        **interval_columns("speedup", timing.speedup, ends="_ci"),
        **interval_columns("speedup_reference", timing.speedup_reference),
        **interval_columns("speedup_own", timing.speedup_own),
        **interval_columns("resolution", timing.resolution),
        "baseline_ms": timing.baseline_ms and timing.baseline_ms.median,
        "decode_ms": timing.decode_ms and timing.decode_ms.median,
        "roofline_fraction": timing.speedup.median / roofline if timing.speedup and roofline else None,
        "largest_batch": largest and largest.batch,
        "largest_throughput": largest and largest.throughput,
        "engine_difference": cell.library.difference,
        "warnings": "; ".join(map(warning_text, timing.warnings)),
    }


def interval_columns(name: str, interval: MedianInterval | None, unit: str = "", ends: str = "") -> Columns:
    """`name`, its unit behind it, and its two ends; nothing where there is no interval."""
    if interval is None:
        return {}
    return {f"{name}{unit}": interval.median, f"{name}{ends}_low": interval.low, f"{name}{ends}_high": interval.high}


def work_columns(cell: StoredCell) -> Columns:
    """What the plan computes and keeps, memory, and what the method cost before."""
    return {
        "nfe": cell.plan.nfe, "branches_computed": cell.plan.branches_computed, "macs_ratio": cell.work.macs_ratio,
        "macs_g": None if cell.work.macs is None else cell.work.macs / 1e9, "peak_memory_mb": cell.memory.peak_mb,
        "cache_mb": cell.memory.cache_mb, "cache_measured_mb": cell.memory.cache_measured_mb,
        "weights_mb": cell.memory.weights_mb, "training_s": cell.training.seconds,
    }  # fmt: skip


def quality_columns(cell: StoredCell) -> Columns:
    """Quality, and what it was judged by."""
    facts = ("samples", "seed", "features", "reference", "reference_samples", "identical")
    return {
        **{name: getattr(cell.quality, name) for name in facts},
        **cell.quality.numbers,
        "guidance_scale": cell.settings.guidance_scale,
        "image_size": cell.settings.image_size,
    }


def as_json(params: Mapping[str, Any]) -> str:
    """Parameters as one cell of a table, keys in order."""
    return json.dumps(params, sort_keys=True)


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
