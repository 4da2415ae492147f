"""The training objective: one evaluation whose branches mix fresh and kept outputs (arXiv 2406.01733, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.denoiser import Denoiser
from models.uvit import UViT

Branch = Callable[[int, Tensor, Tensor | None], Tensor]  # index, tokens [B,T,D], conditioning -> output [B,T,D]


def evaluate(model: Denoiser, x: Tensor, t: Tensor, y: Tensor, branch: Branch) -> Tensor:
    """The denoiser's forward pass [B,C or 2C,H,W] with `branch` in place of its own branches."""
    h, c = model.embed(x, t, y)
    skips: dict[int, Tensor] = {}
    for block in range(model.num_blocks):
        h = model.enter_block(block, h, skips.pop(model.skips[block]) if block in model.skips else None)
        for index in (2 * block, 2 * block + 1):
            h = model.residual(index, h, branch(index, h, c), c)
        if block in model.skips.values():
            skips[block] = h
    return model.unembed(h, c)


def record(model: Denoiser, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
    """A full evaluation: its output, and every branch's output [B,T,D] before the gate."""
    kept: list[Tensor] = []

    def branch(index: int, h: Tensor, c: Tensor | None) -> Tensor:
        kept.append(model.branch(index, h, c))
        return kept[-1]

    return evaluate(model, x, t, y, branch), kept


def interpolate(model: Denoiser, x: Tensor, t: Tensor, y: Tensor, kept: Sequence[Tensor], weights: Tensor) -> Tensor:
    """The student: branch j contributes w_j fresh_j + (1 - w_j) kept_j, `weights` [branches]."""

    def branch(index: int, h: Tensor, c: Tensor | None) -> Tensor:
        return torch.lerp(kept[index], model.branch(index, h, c), weights[index])

    return evaluate(model, x, t, y, branch)


def straight_through(scores: Tensor, threshold: float | None) -> Tensor:
    """The scores, or their decisions (score > threshold) with the scores' gradient."""
    if threshold is None:
        return scores
    return (scores > threshold).to(scores.dtype) + scores - scores.detach()


def squared_error(model: Denoiser, teacher: Tensor, student: Tensor) -> Tensor:
    """Error of every sample [B]: its mean over all output values, or on U-ViT their sum, as the official codes have it.

    λ weighs the scores against this error, so λ of the two families are not comparable.
    """
    error = (teacher - student).square().flatten(1)
    return error.sum(1) if isinstance(model, UViT) else error.mean(1)
