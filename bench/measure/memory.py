"""Peak memory of one trajectory, what its cache really holds, and what is free."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

import models
from bench.measure.task import Task
from bench.sampling.compiled.operations import Frame
from bench.sampling.compiled.trajectory import Trajectory
from bench.sampling.executor import Executor
from models.denoiser import Denoiser

MB = 1e6  # bytes
CGROUP = Path("/sys/fs/cgroup")


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
    mark = high_water_mark()
    return None if mark is None else mark / MB


def plain_cache_bytes(executor: Executor, run: Callable[[Executor], object]) -> int:
    """Most bytes that a plan keeps between two evaluations, counted on the tensors of one trajectory.

    `run` runs the trajectory with the executor that it is given. Never part of a timed run.
    """
    counting = CountingExecutor(executor.model, executor.plan)
    run(counting)
    return counting.peak_bytes


class CountingExecutor(Executor):
    """An executor that looks after every evaluation at what it keeps."""

    peak_bytes = 0

    def evaluate(self, k: int, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        out = super().evaluate(k, x, t, y)
        kept = [tensor for slot in self.kept.values() for tensor in (*slot.tensors, *slot.skips.values())]
        self.peak_bytes = max(self.peak_bytes, stored_bytes(kept))
        return out


def compiled_cache_bytes(trajectory: Trajectory, noise: Tensor, labels: Tensor) -> int:
    """The same of a compiled trajectory, which afterwards is as it was."""
    evaluate, peak = trajectory.evaluate, 0

    def counting(frame: Frame, k: int, x: Tensor) -> Tensor:
        nonlocal peak
        out = evaluate(frame, k, x)
        peak = max(peak, stored_bytes([tensor for tensor in frame.kept if tensor is not None]))
        return out

    with mock.patch.object(trajectory, "evaluate", counting):
        trajectory(noise, labels)
    return peak


def stored_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes that tensors keep alive: every storage once and whole, also where a tensor is a view into it."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def is_out_of_memory(error: BaseException) -> bool:
    """Neither the CPU's allocator nor the CUDA libraries have an exception of their own."""
    told = any(words in str(error) for words in ("can't allocate memory", "out of memory", "ALLOC_FAILED"))
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and told)


def available_bytes() -> int | None:
    """Memory that a program may still use without swapping, a container's limit included; None where unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        free.append(max(0, limit - used))
    return min(free, default=None)


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


def high_water_mark() -> int | None:
    """Bytes; None where /proc does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


def is_guided(task: Task) -> bool:
    return models.spec(task.cell.model).guidance_scale != 1


def value_bytes(model: Denoiser) -> int:
    """Bytes of one value of the weights, and so of the tokens."""
    return next(model.parameters()).element_size()
