"""The `memory` of a cell: the peak of one trajectory, what the cache holds, and what preparing took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import models
from bench.measure.memory import MB, compiled_cache_bytes, is_guided, peak_mb, plain_cache_bytes, value_bytes
from bench.measure.timing.contenders import Contender, inputs, prepared, trajectory
from bench.measure.timing.stopwatch import stopwatch
from bench.sampling import plain
from bench.sampling.compiled import Execution
from bench.sampling.compiled.trajectory import Trajectory
from bench.sampling.executor import Executor
from models.denoiser import Denoiser

if TYPE_CHECKING:
    from bench.measure.task import Task


def measure_memory(task: Task, model: Denoiser, contender: Contender) -> tuple[dict[str, Any], float]:
    """Memory at the timed batch, MB of 1e6 bytes; and the seconds that making a trajectory ready took.

    Those are compilation and graph capture: preparing and the first call, beyond what a later call takes.
    """
    device, batch = task.settings.device, task.cell.protocol.timing.batch
    watch, start = stopwatch(device), time.perf_counter_ns()
    action = trajectory(task, model, contender, batch)
    preparing = time.perf_counter_ns() - start + watch.time(action).wall_ns
    later = 0

    def measured() -> None:
        nonlocal later
        later = watch.time(action).wall_ns

    peak = peak_mb(measured, device)
    sizes = {
        "peak_mb": peak,
        "weights_mb": sum(p.numel() * p.element_size() for p in model.parameters()) / MB,
        **({} if contender.engine is not None else cache_sizes(task, model, contender, batch)),
    }
    return sizes, max(0.0, (preparing - (later or preparing)) / 1e9)


def cache_sizes(task: Task, model: Denoiser, contender: Contender, batch: int) -> dict[str, float]:
    """What the cache holds, by the plan and as counted; of a library's neither is known."""
    predicted = Executor(model, contender.plan).cache_bytes(batch, is_guided(task), value_bytes(model))
    return {"cache_mb": predicted / MB, "cache_measured_mb": cache_bytes(task, model, contender) * batch / MB}


def cache_bytes(task: Task, model: Denoiser, contender: Contender) -> int:
    """Most bytes kept at once for one image, counted on a trajectory of the path that is timed."""
    noise, labels = inputs(task, model, 1)
    run = prepared(task.cell.model, model, contender, 1, Execution(task.settings.execution.path))
    if isinstance(run, Trajectory):
        return compiled_cache_bytes(run, noise, labels)
    spec = models.spec(task.cell.model)
    guidance = spec.guidance_scale, spec.guidance_channels
    return plain_cache_bytes(
        Executor(model, contender.plan), lambda e: plain.run(e, contender.sampler, noise, labels, *guidance)
    )
