"""Training pairs: a full evaluation and the cached one after it, at the x that the sampler brings there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.train.router.interpolation import record
from methods.method import Evaluation, Sampler
from methods.routing.pattern import routed_between
from models.denoiser import Denoiser
from models.noise_schedule import NoiseSchedule


@dataclass(frozen=True)
class Pair:
    """Evaluation `cached` reuses what `full` kept; `start` begins the solver step of `full`."""

    start: int
    full: int
    cached: int
    row: int


class _Arrived(Exception):
    """Carries x out of a sampler when it asks for the cached evaluation."""

    def __init__(self, x: Tensor) -> None:
        self.x = x


def pairs(model: Denoiser, sampler: Sampler, interval: int = 2) -> list[Pair]:
    """All pairs of a sampler, one evaluation in `interval` full, in execution order; empty where none is left to cache.

    Raises InputError for an interval beyond 2 where steps have inner stages.
    """
    evaluations = sampler.evaluations(model.noise_schedule)
    return [
        Pair(full - evaluations[full].stage, full, routed.evaluation, routed.row)
        for routed, full in routed_between(model, evaluations, interval)
    ]


@torch.no_grad()
def reach(
    model: Denoiser,
    sampler: Sampler,
    pair: Pair,
    clean: Tensor,
    noise: Tensor,
    labels: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, list[Tensor]]:
    """x at the cached evaluation [B,C,H,W], and the branch outputs kept by the full evaluation before it.

    Where others lie between the two, these are computed whole: what is kept is as old as it can be in use. As in the
    paper, data latents `clean` are noised to where the pair's first solver step begins, and the sampler takes that
    one step with the denoiser, unguided. To work for any sampler, multistep ones with their history included, it runs
    from pure noise with the exact noise prediction of `clean`, which every sampler follows along x_t = α_t x_0 + σ_t
    ε, and is handed to the denoiser at `pair.start`.
    """
    evaluations = sampler.evaluations(model.noise_schedule)
    kept: list[Tensor] = []

    def denoise(k: int, x: Tensor) -> Tensor:
        if k == pair.cached:
            raise _Arrived(x)
        if k < pair.start:
            return true_noise(model, evaluations[k], x, clean)
        t = timestep(evaluations, k, x)
        if k != pair.full:
            return model(x, t, labels).to(x.dtype)
        out, recorded = record(model, x, t, labels)
        kept.extend(recorded)
        return out.to(x.dtype)

    alpha, sigma = signal_and_noise(model.noise_schedule, evaluations[0].timestep)

    def step_noise(k: int) -> Tensor:
        return torch.randn(clean.shape, generator=generator).to(clean.device)

    try:
        sampler.sample(denoise, alpha * clean + sigma * noise, model.noise_schedule, step_noise)
    except _Arrived as arrived:
        return arrived.x, kept
    raise ValueError(f"{sampler.name} ended before its evaluation {pair.cached}")


def timestep(evaluations: Sequence[Evaluation], k: int, x: Tensor) -> Tensor:
    """Evaluation k's network timestep for every sample, float32 [B]."""
    return torch.full((len(x),), evaluations[k].timestep, dtype=torch.float32, device=x.device)


def signal_and_noise(schedule: NoiseSchedule, network_timestep: float) -> tuple[float, float]:
    """α and σ where the network receives that timestep; log α is linear between trained steps."""
    log_alpha = 0.5 * np.log(schedule.alphas_cumprod)
    alpha_bar = np.exp(2 * np.interp(network_timestep - schedule.first_timestep, np.arange(len(schedule)), log_alpha))
    return float(np.sqrt(alpha_bar)), float(np.sqrt(1 - alpha_bar))


def true_noise(model: Denoiser, evaluation: Evaluation, x: Tensor, clean: Tensor) -> Tensor:
    """The noise in x given the clean latents; where the denoiser also predicts variances, they are midway."""
    alpha, sigma = signal_and_noise(model.noise_schedule, evaluation.timestep)
    noise = (x - alpha * clean) / sigma
    extra = getattr(model, "out_channels", x.shape[1]) - x.shape[1]
    return torch.cat([noise, torch.zeros_like(x[:, :1]).expand(-1, extra, -1, -1)], dim=1) if extra else noise
