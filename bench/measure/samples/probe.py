"""What a method does to a few fixed samples, small enough to commit: two runs that compute the same agree in it.

`tokens` says where a difference begins: the root mean square of the tokens after every branch of every evaluation,
taken on the plain path. `latents` says whether the samples of the path that is measured are still the same: final
latents projected on fixed random directions, so that no difference is likely to hide from all of them.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

import models
from bench.measure.timing.contenders import Contender, prepared
from bench.sampling import balanced_labels, plain, seeded_noise
from bench.sampling.executor import Executor
from bench.suite.cells import Cell, Settings
from models.denoiser import Denoiser

DIRECTIONS = 8
DIGITS = 7  # significant ones: what float32 holds

Table = list[list[float | None]]


def probe(cell: Cell, settings: Settings, model: Denoiser, contender: Contender) -> dict[str, Any]:
    """`samples`, their number; `latents` [samples][8]; `tokens` [evaluations][branches], none of a library's."""
    spec, indices = models.spec(cell.model), range(cell.protocol.fingerprint)
    noise = seeded_noise(indices, model.latent_shape, cell.protocol.seed)
    noise = noise.to(device=settings.device, dtype=getattr(torch, settings.dtype))
    labels = balanced_labels(indices, spec.num_classes).to(settings.device)
    trajectory = prepared(cell.model, model, contender, len(noise), settings.execution)
    recorder = Recorder(model)
    if contender.engine is None:
        executor = Executor(cast(Denoiser, recorder), contender.plan)
        guidance = spec.guidance_scale, spec.guidance_channels
        plain.run(executor, contender.sampler, noise, labels, *guidance, callback=recorder.next_evaluation)
    return {"samples": len(noise), "latents": projections(trajectory(noise, labels)), "tokens": recorder.rows}


class Recorder:
    """A denoiser that notes the size of its tokens after every branch; a branch that is skipped leaves a gap."""

    def __init__(self, model: Denoiser) -> None:
        self.model = model
        self.rows: Table = []
        self.row: list[float | None] = [None] * model.num_branches

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def residual(self, index: int, h: Tensor, out: Tensor, c: Any) -> Tensor:
        tokens = self.model.residual(index, h, out, c)
        self.row[index] = rounded(float(tokens.double().square().mean().sqrt()))
        return tokens

    def next_evaluation(self, *_: Any) -> None:
        self.rows.append(self.row)
        self.row = [None] * self.model.num_branches


def projections(latents: Tensor) -> Table:
    """Final latents [B,...] on DIRECTIONS fixed directions of unit expected length."""
    flat = latents.double().cpu().flatten(1)
    directions = torch.randn(flat.shape[1], DIRECTIONS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return [[rounded(v) for v in row] for row in (flat @ directions / math.sqrt(flat.shape[1])).tolist()]


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")
