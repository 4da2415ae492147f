"""The latents of a cell, shard by shard: stored, or sampled and stored. The same seeds and labels for every method."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import models
from bench.host.environment import commit
from bench.measure.samples.shards import Shards, pieces
from bench.measure.timing.contenders import contender_of, prepared
from bench.sampling import balanced_labels, seeded_noise
from bench.sampling.compiled import Run
from bench.suite.cells import Cell, Settings
from models.denoiser import Denoiser

LONG = 1.0  # seconds of sampling that are worth a file of their own
Advance = Callable[[Cell, int], None]  # called with the cell and its samples done, after every batch


class Latents:
    """Final latents of one cell. Nothing is prepared before something has to be sampled."""

    def __init__(self, model: Denoiser, cell: Cell, settings: Settings, folder: Path, advance: Advance) -> None:
        self.model, self.cell, self.settings = model, cell, settings
        self.key = cell.samples_key(settings)
        self.shards = Shards(folder / "latents", self.key)
        self.parts = Shards(folder / "batches", self.key)  # of shards that are not whole yet
        self.advance = advance
        self._trajectory: Run | None = None

    def read(self, indices: range) -> Tensor:
        """Latents float32 [len(indices),C,H,W] of a shard's range, on the CPU.

        Raises OutputError, and ValueError where a trajectory ends in values that are not finite.
        """
        stored = self.shards.read(indices)
        if stored is not None:
            return stored["latents"]
        batches = pieces(indices, self.cell.protocol.sampling_batch)
        latents = torch.cat([self.batch(batch, alone=len(batches) == 1) for batch in batches])
        self.shards.write(indices, {"latents": latents}, commit())
        for batch in batches:
            self.parts.remove(batch)
        return latents

    def batch(self, indices: range, alone: bool) -> Tensor:
        """One batch of a shard; until the shard is whole, one that took long is kept beside it, unless it is all."""
        stored = None if alone or self.parts.commit(indices) != commit() else self.parts.read(indices)
        if stored is None:
            started = time.monotonic()
            stored = {"latents": self.sample(indices)}
            if not alone and time.monotonic() - started >= LONG:
                self.parts.write(indices, stored, commit())
        self.advance(self.cell, indices.stop)
        return stored["latents"]

    def sample(self, indices: range) -> Tensor:
        """One batch: noise of each sample's own seed to final latents."""
        spec, rules, settings = models.spec(self.cell.model), self.cell.protocol, self.settings
        self._trajectory = self._trajectory or self._prepare()
        noise = seeded_noise(indices, self.model.latent_shape, rules.seed)
        noise = noise.to(device=settings.device, dtype=getattr(torch, settings.dtype))
        labels = balanced_labels(indices, spec.num_classes).to(settings.device)
        latents = checked(self._trajectory(noise, labels), noise).float().cpu()
        if not torch.isfinite(latents).all():
            raise ValueError("the samples hold NaN or infinity; look at the method's plan and the dtype")
        return latents

    def _prepare(self) -> Run:
        cell = self.cell
        batch = min(cell.protocol.sampling_batch, cell.protocol.samples)
        contender = contender_of(cell, self.model)
        return prepared(cell.model, self.model, contender, batch, self.settings.execution)


def checked(latents: Tensor, noise: Tensor) -> Tensor:
    """The latents that `noise` became. Raises ValueError where they are no tensor of its shape, or more precise."""
    if not isinstance(latents, Tensor) or latents.shape != noise.shape:
        found = list(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
        raise ValueError(f"sampling gave {found}, expected {list(noise.shape)}")
    if latents.dtype not in (noise.dtype, torch.float32):
        raise ValueError(f"sampling gave {latents.dtype}, expected {noise.dtype}")
    return latents
