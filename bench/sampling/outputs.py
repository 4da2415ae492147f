"""Outputs of whole evaluations: what is kept of one, and how another is made of that."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.plan import CHANGE, GUIDANCE


def add_input(output: Tensor, x: Tensor, sign: int = 1) -> Tensor:
    """`output` [N,C or 2C,H,W] with the network's input x [N,C,H,W] added to its prediction, the first C channels."""
    total = output.clone()
    total[:, : x.shape[1]].add_(x.to(total.dtype), alpha=sign)
    return total


def whole(keep: str, output: Tensor, x: Tensor) -> Tensor:
    """What is kept of an evaluation's `output` [N,C or 2C,H,W], whose input was x [N,C,H,W]."""
    if keep == GUIDANCE:
        cond, uncond = output.chunk(2)
        return uncond - cond
    return add_input(output, x, -1) if keep == CHANGE else output.clone()


def first_half(batch: Tensor) -> Tensor:
    """The conditional half [B,...] of a guided batch [2B,...]."""
    return batch[: len(batch) // 2]


def both_halves(cond: Tensor, difference: Tensor) -> Tensor:
    """A guided batch's output [2B,...] from that of its conditional half [B,...] and what the other differs by."""
    return torch.cat([cond, cond + difference])
