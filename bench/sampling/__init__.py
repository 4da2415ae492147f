"""Sampling with guidance: noise in, samples out, any sampler with any cache method on any denoiser."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bench.sampling import plain
from bench.sampling.compiled import Execution, prepare
from bench.sampling.executor import Executor
from bench.sampling.plain import Callback
from methods.method import CacheMethod, Sampler
from methods.plan import Plan, uncached
from models.denoiser import Denoiser
from models.errors import InputError


def make_plan(model: Denoiser, sampler: Sampler, cache: CacheMethod | None) -> Plan:
    """The plan of a cache method, or the uncached one.

    Raises InputError where the method cannot run or returns no plan for this denoiser and sampler, and whatever the
    method itself raises.
    """
    evaluations = len(sampler.evaluations(model.noise_schedule))
    if cache is None:
        return uncached(evaluations, model.num_branches)
    reason = cache.supports(model, sampler)
    if reason:
        raise InputError(reason)
    plan = cache.plan(model, sampler)
    if not isinstance(plan, Plan):
        raise InputError(f"{type(cache).__name__}.plan() returned {type(plan).__name__}, expected a methods.plan.Plan")
    expected = evaluations, model.num_branches
    if (len(plan), plan.branches) != expected:
        raise InputError(
            f"{type(cache).__name__}.plan() returned {len(plan)} evaluations of {plan.branches} branches, "
            f"expected {expected[0]} of {expected[1]}"
        )
    return plan


@torch.inference_mode()
def sample(
    model: Denoiser,
    sampler: Sampler,
    cache: CacheMethod | Plan | None = None,
    *,
    noise: Tensor,
    labels: Tensor,
    guidance_scale: float = 1.0,
    guidance_channels: int | None = None,
    step_noise: Tensor | None = None,
    callback: Callback | None = None,
    trace: list[np.ndarray] | None = None,
    options: Execution | None = None,
) -> Tensor:
    """Samples [B,C,H,W] from `noise` [B,C,H,W] for `labels` [B] int64.

    Guidance (Ho & Salimans 2022) is `uncond + scale * (cond - uncond)` in the first `guidance_channels` noise
    channels (all by default); other channels follow the conditional half, and scale 1 makes no unconditional
    evaluation. U-ViT's s is `guidance_scale = 1 + s`. `step_noise` [evaluations,B,C,H,W] replaces a stochastic
    sampler's own noise, which depends on `noise` alone. `callback(k, timestep, x, model_out)` is called after
    evaluation k, which takes the plain path whatever `options` say. To `trace` is appended what each evaluation
    computed, bool [branches]: the plan's row, or what a policy decided; [N,branches] where it decides for each of the
    N images (the unconditional half second). The same arguments give the same samples.
    """
    check_inputs(model, noise, labels)
    plan = cache if isinstance(cache, Plan) else make_plan(model, sampler, cache)
    if callback is not None:
        executor = Executor(model, plan)
        samples = plain.run(executor, sampler, noise, labels, guidance_scale, guidance_channels, step_noise, callback)
        _extend(trace, executor.script.trace())
        return samples
    trajectory = prepare(
        model,
        sampler,
        plan,
        batch=len(noise),
        guidance_scale=guidance_scale,
        guidance_channels=guidance_channels,
        options=options,
    )
    samples = trajectory(noise, labels, step_noise)
    _extend(trace, trajectory.trace())
    return samples


def _extend(trace: list[np.ndarray] | None, rows: list[np.ndarray]) -> None:
    if trace is not None:
        trace.extend(rows)


def seeded_noise(indices: Sequence[int], shape: Sequence[int], base_seed: int = 0) -> Tensor:
    """Noise [n,*shape] float32; sample i comes from its own CPU generator seeded `base_seed + i`."""
    generators = (torch.Generator().manual_seed(base_seed + i) for i in indices)
    return torch.stack([torch.randn(*shape, generator=g) for g in generators])


def balanced_labels(indices: Sequence[int], classes: int) -> Tensor:
    """Labels [n] int64: sample i has label i mod classes, so any run of seeds is class-balanced."""
    return torch.tensor([i % classes for i in indices])


def check_inputs(model: Denoiser, noise: Tensor, labels: Tensor) -> None:
    """Raise InputError unless noise and labels fit the denoiser and each other."""
    if noise.ndim != 4 or tuple(noise.shape[1:]) != model.latent_shape:
        raise InputError(f"noise has shape {list(noise.shape)}, expected [B, *{list(model.latent_shape)}]")
    if labels.shape != noise.shape[:1]:
        raise InputError(f"labels have shape {list(labels.shape)}, expected [{len(noise)}]")
    if model.null_label < 0:  # an unconditional denoiser: labels are not read
        return
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) <= model.null_label:
        raise InputError(f"labels must lie in 0..{model.null_label}")
