"""Time one call: on the host's clock, and on a CUDA device by events as well."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

Clock = Callable[[], int]  # nanoseconds, monotonic


@dataclass(frozen=True)
class Lap:
    """How long one call took, ns, to the end of the work that it started."""

    wall_ns: int
    device_ns: int | None = None  # between device events; None on a CPU
    enqueue_ns: int | None = None  # until the call returned, its work perhaps still running; None on a CPU


class Stopwatch(Protocol):
    """Runs a call and says how long it took."""

    computes: bool  # whether the calling process itself does the work

    def time(self, call: Callable[[], object]) -> Lap:
        """One lap, from before the call to the end of the work that it started."""


class HostStopwatch:
    """For a CPU, where a call returns when its work is done."""

    computes = True

    def __init__(self, clock: Clock = time.perf_counter_ns) -> None:
        self.clock = clock

    def time(self, call: Callable[[], object]) -> Lap:
        start = self.clock()
        call()
        return Lap(self.clock() - start)


class CudaStopwatch:
    """For a CUDA device. Wall time minus event time is the host time that the device did not hide; the time until
    the call returns is what the host needs to enqueue the work, and grows to the wall time where it synchronises.
    """

    computes = False

    def __init__(self, device: str, clock: Clock = time.perf_counter_ns) -> None:
        self.device, self.clock = torch.device(device), clock

    def time(self, call: Callable[[], object]) -> Lap:
        with torch.cuda.device(self.device):
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            first.record()
            start = self.clock()
            call()
            enqueued = self.clock() - start
            last.record()
            torch.cuda.synchronize()
            return Lap(self.clock() - start, round(first.elapsed_time(last) * 1e6), enqueued)


def stopwatch(device: str, clock: Clock = time.perf_counter_ns) -> Stopwatch:
    """The stopwatch for `device`: "cpu", "cuda", "cuda:1"."""
    return CudaStopwatch(device, clock) if device.startswith("cuda") else HostStopwatch(clock)


@contextmanager
def quiet_interpreter(threads: int) -> Iterator[None]:
    """The garbage collector off, torch on `threads` threads; both as they were afterwards."""
    collecting, before = gc.isenabled(), torch.get_num_threads()
    gc.collect()
    gc.disable()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if collecting:
            gc.enable()
