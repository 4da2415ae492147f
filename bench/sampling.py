"""Sampling with guidance: noise in, samples out, any sampler with any cache method on any denoiser."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.executor import Executor
from methods.method import CacheMethod, Evaluation, Sampler
from methods.plan import Plan, uncached
from models.denoiser import Denoiser
from models.errors import InputError

Callback = Callable[[int, float, Tensor, Tensor], None]


def make_plan(model: Denoiser, sampler: Sampler, cache: CacheMethod | None) -> Plan:
    """The plan of a cache method, or the uncached one. Raises InputError where the method cannot run."""
    if cache is None:
        return uncached(len(sampler.evaluations(model.noise_schedule)), model.num_branches)
    reason = cache.supports(model, sampler)
    if reason:
        raise InputError(reason)
    return cache.plan(model, sampler)


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
) -> Tensor:
    """Samples [B,C,H,W] from `noise` [B,C,H,W] for `labels` [B] int64.

    Guidance (Ho & Salimans 2022) is `uncond + scale * (cond - uncond)` in the first `guidance_channels` noise
    channels (all by default); other channels follow the conditional half, and scale 1 makes no unconditional
    evaluation. U-ViT's s is `guidance_scale = 1 + s`. `step_noise` [evaluations,B,C,H,W] replaces a stochastic
    sampler's own noise, which depends on `noise` alone. `callback(k, timestep, x, model_out)` is called after
    evaluation k. The same arguments give the same samples.
    """
    check_inputs(model, noise, labels)
    plan = cache if isinstance(cache, Plan) else make_plan(model, sampler, cache)
    executor = Executor(model, plan)
    return run(executor, sampler, noise, labels, guidance_scale, guidance_channels, step_noise, callback)


@torch.inference_mode()
def run(
    executor: Executor,
    sampler: Sampler,
    noise: Tensor,
    labels: Tensor,
    guidance_scale: float = 1.0,
    guidance_channels: int | None = None,
    step_noise: Tensor | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """`sample` with a compiled executor: what is timed."""
    model = executor.model
    evaluations = sampler.evaluations(model.noise_schedule)
    check_trajectory(executor, len(evaluations), noise, step_noise)
    check_guidance(model, guidance_scale, guidance_channels)
    guide = Guidance(model, labels, guidance_scale, guidance_channels)
    executor.begin([e.timestep for e in evaluations], guide.labels)

    def denoise(k: int, x: Tensor) -> Tensor:
        out = guide(executor, k, evaluations[k], x)
        if callback is not None:
            callback(k, evaluations[k].timestep, x, out)
        return out

    draw = StepNoise(noise) if step_noise is None else lambda k: step_noise[k]
    result = sampler.sample(denoise, noise, model.noise_schedule, draw)
    executor.reset()
    return result


class Guidance:
    """One evaluation of the conditional and unconditional halves together, folded into one model output."""

    def __init__(self, model: Denoiser, labels: Tensor, scale: float, channels: int | None) -> None:
        self.scale, self.channels = scale, channels
        self.null = torch.full_like(labels, model.null_label)
        self.labels = labels if scale == 1 else torch.cat([labels, self.null])

    def __call__(self, executor: Executor, k: int, evaluation: Evaluation, x: Tensor) -> Tensor:
        batch = x if self.scale == 1 else torch.cat([x, x])
        t = torch.full((len(batch),), evaluation.timestep, dtype=torch.float32, device=x.device)
        out = executor.evaluate(k, batch, t, self.labels)
        return out if self.scale == 1 else self.fold(out, x.shape[1])

    def fold(self, out: Tensor, noise_channels: int) -> Tensor:
        """[cond; uncond] model output [2B,...] -> guided [B,...]."""
        cond, uncond = out.chunk(2)
        guided = noise_channels if self.channels is None else self.channels
        eps = torch.lerp(uncond[:, :guided], cond[:, :guided], self.scale)
        return eps if guided == out.shape[1] else torch.cat([eps, cond[:, guided:]], dim=1)


class StepNoise:
    """A stochastic sampler's own noise: sample i's stream is seeded by a hash of its initial noise."""

    def __init__(self, noise: Tensor) -> None:
        self.like = noise
        digests = [hashlib.sha256(x.cpu().float().numpy().tobytes()).digest() for x in noise]
        self.generators = [torch.Generator().manual_seed(int.from_bytes(d[:7], "big")) for d in digests]

    def __call__(self, k: int) -> Tensor:
        shape = self.like.shape[1:]
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators]).to(self.like)


def seeded_noise(indices: Sequence[int], shape: Sequence[int], base_seed: int = 0) -> Tensor:
    """Noise [n,*shape] float32; sample i comes from its own CPU generator seeded `base_seed + i`."""
    generators = (torch.Generator().manual_seed(base_seed + i) for i in indices)
    return torch.stack([torch.randn(*shape, generator=g) for g in generators])


def balanced_labels(indices: Sequence[int], classes: int) -> Tensor:
    """Labels [n] int64: sample i has label i mod classes, so any run of seeds is class-balanced."""
    return torch.tensor([i % classes for i in indices])


def check_trajectory(executor: Executor, evaluations: int, noise: Tensor, step_noise: Tensor | None) -> None:
    """Raise InputError unless the plan, and the step noise where given, have a row for every evaluation."""
    if len(executor.plan) != evaluations:
        raise InputError(f"the plan has {len(executor.plan)} rows, the sampler makes {evaluations} evaluations")
    if step_noise is not None and step_noise.shape != (evaluations, *noise.shape):
        raise InputError(f"step noise has shape {list(step_noise.shape)}, expected {[evaluations, *noise.shape]}")


def check_guidance(model: Denoiser, scale: float, channels: int | None) -> None:
    """Raise InputError unless the denoiser can be guided so."""
    if scale != 1 and not model.can_be_guided:
        raise InputError("guidance needs a denoiser with a null class; guidance_scale must be 1")
    if channels is not None and not 0 < channels <= model.latent_shape[0]:
        raise InputError(f"guidance_channels must lie in 1..{model.latent_shape[0]}, got {channels}")


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
