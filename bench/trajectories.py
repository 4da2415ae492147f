"""The samples of a cell: the same seeds and labels for every method, in batches, stored for paired metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import models
from bench.cells import Cell, Settings
from bench.compiled import prepare
from bench.files import write_bytes
from bench.quiet_lock import QuietLock
from bench.sampling import balanced_labels, make_plan, seeded_noise
from models.denoiser import Denoiser

SHOWN = 40  # decoded images that are stored for the report's grids


def sample_cell(
    model: Denoiser, cell: Cell, settings: Settings, lock: QuietLock, advance: Callable[[int], None]
) -> Tensor:
    """Final latents float32 [samples,C,H,W] of a cell on the CPU; `advance(done)` is called after every batch.

    Raises ValueError where the trajectory ends in values that are not finite.
    """
    spec, rules = models.spec(cell.model), cell.protocol
    sampler = cell.sampler.method
    plan = make_plan(model, sampler, None if cell.cache is None else cell.cache.method)
    trajectory = prepare(
        model,
        sampler,
        plan,
        batch=min(rules.sampling_batch, rules.samples),
        guidance_scale=spec.guidance_scale,
        guidance_channels=spec.guidance_channels,
        options=settings.execution,
    )
    batches = []
    for start in range(0, rules.samples, rules.sampling_batch):
        indices = range(start, min(start + rules.sampling_batch, rules.samples))
        noise = seeded_noise(indices, model.latent_shape, rules.seed)
        noise = noise.to(device=settings.device, dtype=getattr(torch, settings.dtype))
        labels = balanced_labels(indices, spec.num_classes).to(settings.device)
        with lock.sampling():
            latents = trajectory(noise, labels)
        batches.append(latents.float().cpu())
        advance(indices.stop)
    latents = torch.cat(batches)
    if not torch.isfinite(latents).all():
        raise ValueError("the samples are not finite")
    return latents


def decode(cell: Cell, latents: Tensor) -> Tensor:
    """Images uint8 [samples,1|3,H,W], decoded in batches."""
    spec = models.spec(cell.model)
    return torch.cat([spec.decode(batch) for batch in latents.split(cell.protocol.sampling_batch)])


def store(path: Path, key: str, latents: Tensor, images: Tensor | None) -> None:
    """Write latents, and the first images where there are any, with the cell's key. Raises OutputError."""
    tensors = {"latents": latents.contiguous()}
    if images is not None:
        tensors["images"] = images[:SHOWN].contiguous()
    write_bytes(path, save(tensors, metadata={"key": key}))


def load(path: Path, key: str) -> Tensor | None:
    """Stored latents of the cell with this key; None where the file is absent, damaged or another cell's."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor("latents") if (file.metadata() or {}).get("key") == key else None
    except (OSError, SafetensorError):
        return None
