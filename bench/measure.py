"""What is measured of one cell, in the order of what it costs: plan, work, memory, quality, timing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

import models
from bench import cell_quality, plan_text
from bench.cell_timing import measure_timing
from bench.cells import Cell
from bench.compiled import prepare
from bench.cost import plan_macs
from bench.environment import environment
from bench.executor import Executor
from bench.instruments import instruments
from bench.latents import Latents
from bench.mac_conventions import in_conventions
from bench.memory import peak_mb
from bench.quiet_lock import QuietLock
from bench.sampling import balanced_labels, seeded_noise
from bench.store import Store
from bench.stream import Stream
from bench.weights import describe_weights, has_quality
from methods.plan import Plan, uncached
from models.denoiser import Denoiser

if TYPE_CHECKING:
    from bench.worker import Reporter, Task

SAMPLING_SHARE = 0.7  # of a cell's time, for the progress bar


class Unsupported(Exception):
    """The cache method says that it cannot run on this model with this sampler."""


def measure(task: Task, reporter: Reporter) -> dict[str, Any]:
    """Everything of a cell's result that is measured. Raises Unsupported, and whatever the method raises."""
    reporter.phase("building", 0.0)
    settings, cell = task.settings, task.cell
    guided = models.spec(cell.model).guidance_scale != 1
    lock = QuietLock(Store(task.directory).directory, reporter.waiting)
    with lock.sampling():
        dtype = getattr(torch, settings.dtype)
        model = models.build(cell.model, weights=settings.weights, device=settings.device, dtype=dtype)
        plans = make_plans(cell, model)
        executors = {name: Executor(model, plan) for name, plan in plans.items()}
        trajectories_of = {name: trajectory(task, model, plan) for name, plan in plans.items()}
        result: dict[str, Any] = {
            "plan": describe_plan(plans, cell.sampler.method.evaluations(model.noise_schedule)),
            "work": work(model, plans, executors["method"], guided),
            "training": getattr(cell.cache.method, "training", None) if cell.cache else None,
            "settings": describe_settings(task),
            # before the quality metrics load what has no part in sampling
            "memory": memory(task, executors["method"], trajectories_of["method"], guided),
        }
    sampled = cell.protocol.samples and has_quality(settings)
    result["quality"] = sample_and_compare(task, model, lock, reporter) if sampled else None
    reporter.phase("timing", SAMPLING_SHARE + 0.05)
    with lock.timing():
        result["timing"] = measure_timing(task, trajectories_of, result["work"]["macs_ratio"])
        result["environment"] = environment(settings.device)
    return finite(result)


def make_plans(cell: Cell, model: Denoiser) -> dict[str, Plan]:
    """The method's plan and its baseline's. Raises Unsupported."""
    sampler = cell.sampler.method
    baseline = uncached(len(sampler.evaluations(model.noise_schedule)), model.num_branches)
    if cell.cache is None:
        return {"method": baseline, "baseline": baseline}
    reason = cell.cache.method.supports(model, sampler)
    if reason:
        raise Unsupported(reason)
    return {"method": cell.cache.method.plan(model, sampler), "baseline": baseline}


def describe_plan(plans: dict[str, Plan], evaluations: list[Any]) -> dict[str, Any]:
    plan = plans["method"]
    return {
        "nfe": len(plan),
        "branches": plan.branches,
        "timesteps": [round(float(e.timestep), 6) for e in evaluations],
        "rows": plan_text.rows(plan),
        "branches_computed": float(plan.computed.mean()),
    }


def work(model: Denoiser, plans: dict[str, Plan], executor: Executor, guided: bool) -> dict[str, Any]:
    """MACs and kept bytes of one image, its unconditional half included where there is guidance."""
    halves = 2 if guided else 1
    macs, baseline = (halves * plan_macs(model, plans[name]) for name in ("method", "baseline"))
    bytes_per_value = next(model.parameters()).element_size()
    return {
        "macs": macs,
        "macs_baseline": baseline,
        "macs_ratio": macs / baseline,
        "cache_bytes": executor.cache_bytes(1, guided, bytes_per_value),
        "macs_conventions": in_conventions(model, plans["method"]),
    }


def sample_and_compare(task: Task, model: Denoiser, lock: QuietLock, reporter: Reporter) -> dict[str, Any]:
    """Make what is missing of the cell's samples and compute the quality metrics."""
    stream = open_stream(task, model, lock, reporter)
    stream.fill(stream.ranges)
    reporter.phase("metrics", SAMPLING_SHARE)
    with lock.sampling():
        return cell_quality.measure_quality(stream)


def open_stream(task: Task, model: Denoiser, lock: QuietLock, reporter: Reporter) -> Stream:
    """The cell's samples, beside those of the same sampler uncached and of the suite's reference."""
    cell, store = task.cell, Store(task.directory)
    total = cell.protocol.samples

    def advance(other: Cell, done: int) -> None:
        what = "sampling" if other.slug == cell.slug else f"sampling {other.slug} to compare with"
        reporter.phase(f"{what} {done}/{total}", SAMPLING_SHARE * done / total)

    def latents(other: Cell) -> Latents:
        return Latents(model, other, task.settings, store.samples_folder(other), lock, advance)

    others = {"": latents(cell.baseline)} if cell.cache else {}
    if task.reference is not None and task.reference.slug != cell.slug:
        others["_reference"] = latents(task.reference)
    return Stream(latents(cell), others, instruments(cell, task.settings), store.samples_folder(cell), lock)


def trajectory(task: Task, model: Denoiser, plan: Plan) -> Callable[[], Tensor]:
    """One whole trajectory at the timing batch: noise in, final latents out, guidance included."""
    cell, settings = task.cell, task.settings
    spec, indices = models.spec(cell.model), range(cell.protocol.timing.batch)
    noise = seeded_noise(indices, model.latent_shape, cell.protocol.seed)
    noise = noise.to(device=settings.device, dtype=getattr(torch, settings.dtype))
    labels = balanced_labels(indices, spec.num_classes).to(settings.device)
    prepared = prepare(
        model,
        cell.sampler.method,
        plan,
        batch=len(noise),
        guidance_scale=spec.guidance_scale,
        guidance_channels=spec.guidance_channels,
        options=settings.execution,
    )
    return lambda: prepared(noise, labels)


def memory(task: Task, executor: Executor, action: Callable[[], Tensor], guided: bool) -> dict[str, Any]:
    """Peak memory of one timed trajectory, and what its cache holds at most, MB of 1e6 bytes."""
    batch, bytes_per_value = task.cell.protocol.timing.batch, getattr(torch, task.settings.dtype).itemsize
    return {
        "peak_mb": peak_mb(action, task.settings.device),
        "cache_mb": executor.cache_bytes(batch, guided, bytes_per_value) / 1e6,
    }


def describe_settings(task: Task) -> dict[str, Any]:
    spec, rules = models.spec(task.cell.model), task.cell.protocol
    return {
        "guidance_scale": spec.guidance_scale,
        "guidance_channels": spec.guidance_channels,
        **task.settings.recorded(),
        "batch": rules.timing.batch,
        "sampling_batch": rules.sampling_batch,
        **describe_weights(task.cell.model, task.settings),
    }


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: what is not a finite number is null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
