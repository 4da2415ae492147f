"""Keeps a CPU measurement on the same cores, chosen as the least busy ones."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOOK = 0.1  # seconds over which busy cores show; the kernel counts hundredths


@contextmanager
def pinned(threads: int, device: str = "cpu") -> Iterator[list[int] | None]:
    """All threads of this process on `threads` cores, as before afterwards; yields the cores.

    Nothing happens, and None is yielded, for a device's work, on a system that cannot pin, and where the process
    may use no more than `threads` cores anyway.
    """
    able = hasattr(os, "sched_setaffinity") and not device.startswith("cuda")
    allowed = os.sched_getaffinity(0) if able else set()
    if len(allowed) <= threads:
        yield None
        return
    chosen = least_busy(allowed, threads)
    before = {thread: os.sched_getaffinity(thread) for thread in _threads()}
    _pin({thread: set(chosen) for thread in before})
    try:
        yield chosen
    finally:
        _pin(before)


def least_busy(cores: set[int], count: int) -> list[int]:
    """The `count` cores that idled most during LOOK; the lowest numbers where the system does not say."""
    first = idle_times()
    time.sleep(LOOK if first else 0)
    later = idle_times()
    idled = {core: later.get(core, 0) - first.get(core, 0) for core in cores}
    return sorted(sorted(cores, key=lambda core: (-idled[core], core))[:count])


def idle_times(stat: Path = Path("/proc/stat")) -> dict[int, int]:
    """Ticks that every core was idle since boot; empty where /proc does not say."""
    try:
        lines = [line.split() for line in stat.read_text().splitlines()]
    except OSError:
        return {}
    cores = [fields for fields in lines if fields and fields[0].startswith("cpu") and fields[0][3:].isdigit()]
    return {int(fields[0][3:]): int(fields[4]) for fields in cores}


def _threads() -> list[int]:
    try:
        return [int(path.name) for path in Path("/proc/self/task").iterdir()]
    except OSError:
        return [0]


def _pin(masks: dict[int, set[int]]) -> None:
    for thread, cores in masks.items():
        with suppress(OSError):  # it has ended meanwhile
            os.sched_setaffinity(thread, cores)
