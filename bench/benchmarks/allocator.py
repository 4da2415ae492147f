"""One allocator setting for every contestant of a benchmark."""

from __future__ import annotations

import os
import sys

ALLOCATOR = {  # freed memory stays with the process: else the kernel's page faults are timed too
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "268435456",
}


def tuned_allocator() -> None:
    """Start this program again under ALLOCATOR and with one thread, unless it already runs so."""
    wanted = {**ALLOCATOR, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if any(os.environ.get(key) != value for key, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **wanted})
