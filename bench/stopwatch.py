"""Time one call: on the host's clock, and on a CUDA device by events as well."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

Clock = Callable[[], int]  # nanoseconds, monotonic


class Stopwatch(Protocol):
    """Runs a call and says how long it took."""

    computes: bool  # whether the calling process itself does the work

    def time(self, call: Callable[[], object]) -> tuple[int, int | None]:
        """(wall ns, device ns or None), from before the call to the end of the work that it started."""


class HostStopwatch:
    """For a CPU, where a call returns when its work is done."""

    computes = True

    def __init__(self, clock: Clock = time.perf_counter_ns) -> None:
        self.clock = clock

    def time(self, call: Callable[[], object]) -> tuple[int, int | None]:
        start = self.clock()
        call()
        return self.clock() - start, None


class CudaStopwatch:
    """For a CUDA device. Wall time minus event time is the host time that the device did not hide."""

    computes = False

    def __init__(self, device: str, clock: Clock = time.perf_counter_ns) -> None:
        self.device, self.clock = torch.device(device), clock

    def time(self, call: Callable[[], object]) -> tuple[int, int | None]:
        with torch.cuda.device(self.device):
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            first.record()
            start = self.clock()
            call()
            last.record()
            torch.cuda.synchronize()
            return self.clock() - start, round(first.elapsed_time(last) * 1e6)


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
