"""The training objective: one evaluation whose branches mix fresh and kept outputs (arXiv 2406.01733, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.train.blocks import evaluate
from models.denoiser import Denoiser
from models.uvit import UViT


def record(model: Denoiser, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
    """A full evaluation: its output, and every branch's output [B,T,D] before the gate."""
    kept: list[Tensor] = []

    def branch(index: int, h: Tensor, c: Tensor | None) -> Tensor:
        kept.append(model.branch(index, h, c))
        return kept[-1]

    return evaluate(model, x, t, y, branch), kept


def interpolate(
    model: Denoiser,
    x: Tensor,
    t: Tensor,
    y: Tensor,
    kept: Sequence[Tensor],
    weights: Tensor,
    checkpointing: bool = False,
) -> Tensor:
    """The student: branch j contributes w_j fresh_j + (1 - w_j) kept_j, `weights` [branches], in the weights' dtype."""

    def branch(index: int, h: Tensor, c: Tensor | None) -> Tensor:
        fresh = model.branch(index, h, c)
        return torch.lerp(kept[index].to(weights.dtype), fresh.to(weights.dtype), weights[index])

    return evaluate(model, x, t, y, branch, checkpointing)


def straight_through(scores: Tensor, threshold: float | None) -> Tensor:
    """The scores, or their decisions (score > threshold) with the scores' gradient."""
    if threshold is None:
        return scores
    return (scores > threshold).to(scores.dtype) + scores - scores.detach()


def squared_error(model: Denoiser, teacher: Tensor, student: Tensor) -> Tensor:
    """Error of every sample [B]: its mean over all output values, or on U-ViT their sum, as the official codes have it.

    λ weighs the scores against this error, so λ of the two families are not comparable.
    """
    error = (teacher.float() - student.float()).square().flatten(1)
    return error.sum(1) if isinstance(model, UViT) else error.mean(1)
