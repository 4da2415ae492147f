"""The two rates that a machine sustains, measured in the run that is compared with them: products and copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from bench.measure.timing.stopwatch import Stopwatch
from bench.sampling.compiled.onednn import BLAS, ONEDNN, OneDnnProduct

GEMM_SIZE = {"cpu": 1024, "cuda": 8192}  # of a square product
HALF_ON_CPU = 256  # without instructions for it, half precision is 60 times slower there, at every size
COPY_BYTES = {"cpu": 2**26, "cuda": 8 * 10**9}  # of the copied buffer, far more than caches hold
LAUNCHES = {"cpu": 1, "cuda": 8}  # in one lap, so that starting the clock costs nothing
MIN_LAPS = 2  # laps


def gemm_rate(watch: Stopwatch, device: str, dtype: torch.dtype, seconds: float, kernels: str = BLAS) -> dict[str, Any]:
    """`gemm_macs_per_s` of an n x n x n product of normal values in the run's dtype, best lap; `gemm_size` is n.

    By the run's own kernels: a fraction of what others do could exceed 1.

    Random values: a GPU multiplies zeros faster, because it then needs less power.
    """
    kind = device.partition(":")[0]
    n, launches = GEMM_SIZE[kind], LAUNCHES[kind]
    if kind == "cpu" and dtype.itemsize < 4:
        n = HALF_ON_CPU
    generator = torch.Generator(device).manual_seed(0)
    a, b = (torch.randn(n, n, device=device, generator=generator).to(dtype) for _ in range(2))
    multiply = OneDnnProduct(b, None) if kernels == ONEDNN else partial(torch.mm, mat2=b, out=torch.empty_like(a))

    def products() -> None:
        for _ in range(launches):
            multiply(a)

    return {"gemm_macs_per_s": launches * n**3 / _best_seconds(watch, products, seconds), "gemm_size": n}


def copy_rate(watch: Stopwatch, device: str, seconds: float) -> dict[str, Any]:
    """`copy_bytes_per_s`, read and written bytes together, of a copy of `copy_bytes` on the device, best lap."""
    size = min(COPY_BYTES[device.partition(":")[0]], _free_bytes(device) // 4)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {
        "copy_bytes_per_s": 2 * size / _best_seconds(watch, lambda: target.copy_(source), seconds),
        "copy_bytes": size,
    }


def _best_seconds(watch: Stopwatch, action: Callable[[], object], seconds: float) -> float:
    """The fastest lap: what disturbs a lap only makes it slower, and a ceiling is what is possible."""
    laps = [watch.time(action).wall_ns]  # the first touches memory and chooses kernels
    while len(laps) <= MIN_LAPS or sum(laps) < seconds * 1e9:
        laps.append(watch.time(action).wall_ns)
    return min(laps[1:]) / 1e9


def _free_bytes(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    from bench.measure.memory import available_bytes

    return available_bytes() or 4 * COPY_BYTES["cpu"]
