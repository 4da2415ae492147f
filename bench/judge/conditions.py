"""What must be equal for numbers of two cells to be of the same thing, by name."""

from __future__ import annotations

from typing import Any

from bench.store.stored_cell import StoredCell

Conditions = dict[str, Any]


def run_of(cell: StoredCell) -> Conditions:
    """For two ratios of latencies."""
    settings = cell.settings
    return {
        "protocol": cell.protocol, "device": settings.device, "dtype": settings.dtype, "batch": settings.batch,
        "guidance_scale": settings.guidance_scale,
    }  # fmt: skip


def machine_of(cell: StoredCell) -> Conditions:
    """For two latencies."""
    machine = {name: getattr(cell.environment, name) for name in ("cpu", "gpu", "torch")}
    return {**run_of(cell), "threads": cell.settings.threads, "kernels": cell.settings.kernels, **machine}


def judged_by(cell: StoredCell) -> Conditions:
    """For two values of a quality metric."""
    names = ("features", "fingerprint", "reference", "reference_samples", "samples")
    quality = {name: getattr(cell.quality, name) for name in names}
    return {"protocol": cell.protocol, "guidance_scale": cell.settings.guidance_scale, **quality}


def pool_of(cell: StoredCell) -> Conditions:
    """For numbers that stand in one column; the model is the first."""
    return {
        "model": cell.model, **judged_by(cell), "seed": cell.quality.seed, **machine_of(cell),
        "guidance_channels": cell.settings.guidance_channels, "allocator": cell.environment.allocator,
        "weights_sha256": cell.settings.weights_sha256,
    }  # fmt: skip
