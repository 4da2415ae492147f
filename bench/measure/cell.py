"""What is measured of one cell, apart from its times, in the order of what it costs: plan, work, memory, quality."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import models
from bench.cost.mac_conventions import in_conventions
from bench.cost.plan_cost import plan_macs
from bench.host.environment import environment
from bench.measure.cell_memory import measure_memory
from bench.measure.library import examine
from bench.measure.memory import is_guided, value_bytes
from bench.measure.samples import cell_quality
from bench.measure.samples.cell_samples import open_stream
from bench.measure.samples.probe import probe
from bench.measure.timing.contenders import Contender, build_model, contender_of, inputs, prepared
from bench.sampling import make_plan
from bench.sampling.executor import Executor
from bench.schema.plan_rows import rows
from bench.suite.weights import describe_weights, has_quality
from methods.plan import Plan
from models.denoiser import Denoiser

if TYPE_CHECKING:
    from bench.measure.task import Reporter, Task

SAMPLING_SHARE = 0.9  # of a cell's time, for the progress bar


def measure(task: Task, reporter: Reporter) -> dict[str, Any]:
    """Everything of a cell's result but its times. Raises Unsupported, and whatever the method raises."""
    reporter.phase("building", 0.0)
    settings, cell = task.settings, task.cell
    model = build_model(task)
    contender = contender_of(cell, model)
    # before the quality metrics load what has no part in sampling
    memory, prepare_s = measure_memory(task, model, contender)
    examined = examine(task, model, contender)
    plans = {"announced": contender.plan, "baseline": make_plan(model, cell.sampler.method, None)}
    plans |= {"method": taken(task, model, contender) if examined is None else examined.plan}
    result: dict[str, Any] = {
        "plan": describe_plan(plans, cell.sampler.method.evaluations(model.noise_schedule)),
        "work": work(model, plans, is_guided(task)) | ({} if examined is None else {"cache_bytes": None}),
        "training": getattr(cell.cache.method, "training", None) if cell.cache else None,
        "settings": describe_settings(task, model),
        "memory": memory,
        "prepare_s": prepare_s,
    }
    sampled = cell.protocol.samples and has_quality(settings)
    result["quality"] = sample_and_compare(task, model, reporter) if sampled else None
    if cell.protocol.fingerprint:
        result["fingerprint"] = probe(cell, settings, model, replace(contender, plan=plans["method"]))
    if examined is not None:
        result["library"] = examined.facts
    return finite(result | {"environment": environment(settings.device)})


def taken(task: Task, model: Denoiser, method: Contender) -> Plan:
    """The method's plan, or where a policy decides it what the first batch of the timing took."""
    if method.plan.policy is None:
        return method.plan
    batch = task.cell.protocol.timing.batch
    run = prepared(task.cell.model, model, method, batch, task.settings.execution)
    run(*inputs(task, model, batch))
    return run.taken()


def describe_plan(plans: dict[str, Plan], evaluations: list[Any]) -> dict[str, Any]:
    """`plan` of the result: what was computed, by evaluation and branch."""
    plan = plans["method"]
    return {
        "nfe": len(plan),
        "branches": plan.branches,
        "timesteps": [round(float(e.timestep), 6) for e in evaluations],
        "rows": rows(plan),
        "branches_computed": float(plan.computed.mean()),
    }


def work(model: Denoiser, plans: dict[str, Plan], guided: bool) -> dict[str, Any]:
    """MACs and kept bytes of one image, its unconditional half included where there is guidance."""
    halves = 2 if guided else 1
    macs, baseline = (halves * plan_macs(model, plans[name]) for name in ("method", "baseline"))
    return {
        "macs": macs,
        "macs_baseline": baseline,
        "macs_ratio": macs / baseline,
        "cache_bytes": Executor(model, plans.get("announced", plans["method"])).cache_bytes(
            1, guided, value_bytes(model)
        ),
        "macs_conventions": in_conventions(model, plans["method"]),
    }


def sample_and_compare(task: Task, model: Denoiser, reporter: Reporter) -> dict[str, Any]:
    """Make what is missing of the cell's samples and compute the quality metrics."""
    stream = open_stream(task, model, reporter, SAMPLING_SHARE)
    stream.fill(stream.ranges)
    stream.finish()
    reporter.phase("metrics", SAMPLING_SHARE)
    return cell_quality.measure_quality(stream) | {"sampled_by": stream.commits()}


def sample_ahead(task: Task, reporter: Reporter) -> dict[str, Any]:
    """Make what is missing of the cell's samples, which are compared with nothing yet. Raises as `measure` does."""
    model = build_model(task)
    contender_of(task.cell, model)
    stream = open_stream(task, model, reporter, SAMPLING_SHARE)
    for indices in stream.ranges:
        stream.own.read(indices)
    return {}


def fill_share(task: Task, reporter: Reporter) -> dict[str, Any]:
    """Make what is missing of the task's share of the samples. Raises as `measure` does."""
    assert task.share is not None
    model = build_model(task)
    contender_of(task.cell, model)
    stream = open_stream(task, model, reporter)
    stream.fill(stream.ranges[task.share.number :: task.share.of])
    return {}


def describe_settings(task: Task, model: Denoiser) -> dict[str, Any]:
    """`settings` of the result: what was chosen by the command line, the suite and the model."""
    spec, rules = models.spec(task.cell.model), task.cell.protocol
    return {
        "image_size": spec.resolution,
        "guidance_scale": spec.guidance_scale,
        "guidance_channels": spec.guidance_channels,
        **task.settings.recorded(),
        "batch": rules.timing.batch,
        "sampling_batch": rules.sampling_batch,
        **describe_weights(task.cell.model, task.settings),
        "weights_taken": model.weights_taken,
    }


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: what is not a finite number is null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
