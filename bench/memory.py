"""Peak memory of one trajectory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import torch

MB = 1e6  # bytes


def peak_mb(action: Callable[[], object], device: str) -> float | None:
    """Most memory in use while `action` runs, MB of 1e6 bytes; weights, activations and caches included.

    On a CUDA device: what PyTorch's allocator handed out. On a CPU: resident memory of the whole process,
    libraries included, from the kernel's high-water mark; before, freed memory is handed back and the mark
    reset. None where the system keeps no such mark or does not let it be reset: a peak of the process's whole
    life would be some other phase's.
    """
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        action()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) / MB
    if not _reset_mark():
        return None
    action()
    mark = _high_water_mark()
    return None if mark is None else mark / MB


def _reset_mark() -> bool:
    """Set the high-water mark to the present resident memory. False where the system does not offer that."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has malloc_trim
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM
    except OSError:
        return False
    return True


def _high_water_mark() -> int | None:
    """Bytes; None where /proc does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)
