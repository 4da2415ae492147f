"""The plain path: a trajectory evaluation by evaluation, each formula as it is written in its paper.

It is the readable reference. The compiled path (bench/sampling/compiled) agrees with it and runs by default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from bench.sampling.checks import check_output, check_state, check_weights
from methods.method import Evaluation, Sampler
from methods.plan import Plan
from models.denoiser import Denoiser
from models.errors import InputError

Callback = Callable[[int, float, Tensor, Tensor], None]


class Evaluator(Protocol):
    """What runs a trajectory's evaluations: an executor of ours, or a library's network."""

    model: Denoiser
    plan: Plan

    def begin(self, timesteps: list[float], labels: Tensor) -> None: ...

    def evaluate(self, k: int, x: Tensor, t: Tensor, y: Tensor) -> Tensor: ...

    def reset(self) -> None: ...


@torch.inference_mode()
def run(
    executor: Evaluator,
    sampler: Sampler,
    noise: Tensor,
    labels: Tensor,
    guidance_scale: float = 1.0,
    guidance_channels: int | None = None,
    step_noise: Tensor | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Samples [B,C,H,W]; the arguments are those of `bench.sampling.sample`.

    The state is float32 at least, whatever the denoiser's dtype, which is that of `noise` and of the samples.
    """
    model = executor.model
    evaluations = sampler.evaluations(model.noise_schedule)
    check_plan(executor.plan, len(evaluations))
    check_step_noise(step_noise, len(evaluations), noise)
    check_guidance(model, executor.plan, guidance_scale, guidance_channels)
    check_weights(model, noise)
    guide = Guidance(model, labels, guidance_scale, guidance_channels)
    executor.begin([e.timestep for e in evaluations], guide.labels)

    def denoise(k: int, x: Tensor) -> Tensor:
        check_state(f"evaluation {k} was asked for", x, noise)
        out = guide(executor, k, evaluations[k], x, noise.dtype)
        if callback is not None:
            callback(k, evaluations[k].timestep, x, out)
        return out

    draw = StepNoise(noise) if step_noise is None else lambda k: step_noise[k]
    start = noise.to(torch.promote_types(noise.dtype, torch.float32))
    result = sampler.sample(denoise, start, model.noise_schedule, draw)
    executor.reset()
    check_state("sampling gave", result, noise)
    return result.to(noise.dtype)


class Guidance:
    """One evaluation of the conditional and unconditional halves together, folded into one model output."""

    def __init__(self, model: Denoiser, labels: Tensor, scale: float, channels: int | None) -> None:
        self.scale, self.channels = scale, channels
        self.null = torch.full_like(labels, model.null_label)
        self.labels = labels if scale == 1 else torch.cat([labels, self.null])

    def __call__(self, executor: Evaluator, k: int, evaluation: Evaluation, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Of the state x [B,C,H,W], which the denoiser gets in `dtype`; in the state's dtype."""
        batch = (x if self.scale == 1 else torch.cat([x, x])).to(dtype)
        t = torch.full((len(batch),), evaluation.timestep, dtype=torch.float32, device=x.device)
        out = executor.evaluate(k, batch, t, self.labels)
        check_output(k, out, x, len(batch))
        out = out.to(x.dtype)
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


def check_plan(plan: Plan, evaluations: int) -> None:
    """Raise InputError unless the plan has a row for every evaluation."""
    if len(plan) != evaluations:
        raise InputError(f"the plan has {len(plan)} rows, the sampler makes {evaluations} evaluations")


def check_step_noise(step_noise: Tensor | None, evaluations: int, noise: Tensor) -> None:
    """Raise InputError unless the step noise, where given, is one `noise` for every evaluation."""
    if step_noise is not None and step_noise.shape != (evaluations, *noise.shape):
        raise InputError(f"step noise has shape {list(step_noise.shape)}, expected {[evaluations, *noise.shape]}")


def check_guidance(model: Denoiser, plan: Plan, scale: float, channels: int | None) -> None:
    """Raise InputError unless the denoiser can be guided so, and is where the plan needs it."""
    if scale == 1 and plan.needs_guidance:
        raise InputError("the plan reuses guidance, but at guidance_scale 1 there is none")
    if scale != 1 and not model.can_be_guided:
        raise InputError("guidance needs a denoiser with a null class; guidance_scale must be 1")
    if channels is not None and not 0 < channels <= model.latent_shape[0]:
        raise InputError(f"guidance_channels must lie in 1..{model.latent_shape[0]}, got {channels}")
