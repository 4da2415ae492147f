"""Peak memory of one trajectory."""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import torch


def peak_mb(action: Callable[[], object], device: str) -> float:
    """Most memory in use while `action` runs, MB (1e6 bytes).

    On a CUDA device: what the allocator handed out. On a CPU: the resident memory of the whole process,
    program and weights included, from the kernel's high-water mark, which is reset before where the system
    allows it (Linux); elsewhere it is the process's peak so far.
    """
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        action()
        return torch.cuda.max_memory_allocated(device) / 1e6
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the mark then covers the process's whole life
        Path("/proc/self/clear_refs").write_text("5")
    action()
    return _high_water_mark() / 1e6


def _high_water_mark() -> int:
    """Bytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
