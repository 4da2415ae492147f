"""A cell's document without what changes from run to run and is checked by nobody: what a gate's baseline keeps."""

from __future__ import annotations

from typing import Any

from bench.store.stored_cell import StoredCell

KEPT_ENVIRONMENT = ("cpu", "gpu", "torch", "python", "cores", "commit")
TIMING = ("batch", "threads", "latency_ms", "speedup", "speedup_reference", "gemm_fraction", "resolution", "ceilings")
LEFT_OUT = ("seconds", "finished", "memory", "checksum")
LONG = ("fd_jackknife", "is_jackknife", "accuracy_jackknife", "accuracy_groups")  # and no check of a gate reads them


def stripped(cell: StoredCell) -> dict[str, Any]:
    """The document without raw rounds, times of day and load."""
    made = {k: v for k, v in cell.document.items() if k not in LEFT_OUT}
    environment = cell.environment.stated
    made["environment"] = {k: environment[k] for k in KEPT_ENVIRONMENT if environment.get(k) is not None}
    if made.get("timing"):
        made["timing"] = {k: made["timing"].get(k) for k in TIMING}
    if made.get("quality"):
        made["quality"] = {k: v for k, v in made["quality"].items() if k not in LONG}
    return made
