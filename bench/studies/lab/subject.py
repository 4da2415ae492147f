"""A model under study: its samples of fixed seeds, by any sampler and plan, at its own guidance or another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

import models
from bench.sampling import balanced_labels, sample, seeded_noise
from bench.suite.cells import Cell, Part
from bench.suite.protocol import Protocol
from methods.method import Sampler
from methods.plan import Plan
from models.denoiser import Denoiser
from models.spec import ModelSpec

BATCH = 48  # images of one trajectory


@dataclass(frozen=True)
class Subject:
    """`guidance` is the scale of every sample. Everything is in float32 on the CPU."""

    model: Denoiser
    spec: ModelSpec
    guidance: float
    weights: str | None = None  # what `named` was given

    @classmethod
    def named(cls, name: str, weights: str | None = None) -> Subject:
        """A model at its own guidance. Raises InputError as `models.build` does."""
        spec = models.spec(name)
        return cls(built(name, weights), spec, spec.guidance_scale, weights)

    def guided(self, scale: float) -> Subject:
        """The same model at another scale of guidance."""
        return replace(self, guidance=scale)

    def evaluations(self, sampler: Sampler) -> int:
        return len(sampler.evaluations(self.model.noise_schedule))

    def latents(self, sampler: Sampler, plan: Plan | None, seeds: range, batch: int = BATCH) -> Tensor:
        """Final latents float32 [len(seeds),C,H,W]; without a plan everything is computed."""
        parts = [range(s, min(s + batch, seeds.stop)) for s in range(seeds.start, seeds.stop, batch)]
        return torch.cat([self._sample(sampler, plan, part) for part in parts])

    def labels(self, seeds: range) -> Tensor:
        """Labels int64 [len(seeds)]."""
        return balanced_labels(seeds, self.spec.num_classes)

    def _sample(self, sampler: Sampler, plan: Plan | None, seeds: range) -> Tensor:
        return sample(
            self.model,
            sampler,
            plan,
            noise=seeded_noise(seeds, self.model.latent_shape),
            labels=self.labels(seeds),
            guidance_scale=self.guidance,
            guidance_channels=self.spec.guidance_channels,
        ).clone()


@lru_cache(maxsize=1)
def built(name: str, weights: str | None) -> Denoiser:
    """The model, once for all studies of it that follow one another: its exact solutions are known with it."""
    return models.build(name, weights=weights)


def title(part: Part) -> str:
    """A sampler with its settings, as files name it: ddim-50."""
    return Cell("", part, None, Protocol()).slug
