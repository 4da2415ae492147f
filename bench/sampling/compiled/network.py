"""What the compiled path asks of a denoiser, and the form that every denoiser has: its own plain pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from methods.policy import pick
from models.denoiser import Denoiser

Combination = Sequence[tuple[Tensor, float]]  # Σ weight * tensor


class Network(Protocol):
    """One denoiser at the evaluations of one sampler. `begin` and `end` enclose a trajectory; nothing outlives it.

    N images are evaluated together: B, or 2B with the unconditional half second. Tokens h are [N,T,D]; `keep` says
    that h is still needed as it is, else it may be overwritten.
    """

    @property
    def model(self) -> Any:
        """The denoiser."""

    def begin(self, labels: Tensor, images: int) -> None:
        """Start a trajectory of `images` B with labels [N]."""

    def end(self) -> None:
        """Let go of everything that the trajectory made."""

    def embed(self, k: int, x: Tensor, halves: int) -> Tensor:
        """Tokens of x [B,C,H,W] at evaluation k, in so many halves, of which the first is the conditional one."""

    def enter_block(self, block: int, h: Tensor, skip: Tensor | None) -> Tensor:
        """Tokens before the block's first branch."""

    def branch(self, index: int, h: Tensor, out: Tensor | None) -> Tensor:
        """The branch's output before its gate, written to `out` where given and possible."""

    def residual(self, index: int, h: Tensor, out: Tensor, keep: bool) -> Tensor:
        """h + gate * out."""

    def reuse(self, kept: Sequence[tuple[int, Combination]], h: Tensor, keep: bool) -> Tensor:
        """h + Σ gate_j * Σ weight * tensor over consecutive branches j."""

    def branch_input(self, index: int, h: Tensor) -> Tensor:
        """What the branch's layer receives [N,T,D]."""

    def project(self, index: int, h: Tensor, ahead: bool) -> Sequence[Tensor]:
        """An attention branch's queries, keys and values, each [N,H,T,D/H]; `ahead`: the branch itself comes next."""

    def part(self, index: int, h: Tensor, fresh: Tensor) -> Tensor:
        """The branch's output for some images, bool [N], or, of an MLP, for some tokens of each, int64 [N,K]."""

    def unembed(self, h: Tensor) -> Tensor:
        """Model output [N,C,H,W], or [N,2C,H,W] where the sampler reads variances."""


def combine(terms: Combination) -> Tensor:
    """Σ weight * tensor; the tensor itself where it is alone with weight 1."""
    (first, weight), *rest = terms
    total = first if weight == 1.0 else first * weight
    for n, (tensor, weight) in enumerate(rest):
        total = total.add(tensor, alpha=weight) if n == 0 else total.add_(tensor, alpha=weight)
    return total


class PlainNetwork:
    """Any denoiser, by the pieces that it must define."""

    def __init__(self, model: Denoiser, timesteps: Sequence[float]) -> None:
        self.model, self.timesteps = model, list(timesteps)
        self.end()

    def begin(self, labels: Tensor, images: int) -> None:
        """Labels [N] of B = `images`; conditions of all of them are worked out ahead on a CPU."""
        self.labels = labels
        if labels.device.type == "cpu":  # on a GPU, finding the distinct labels would wait for it
            self.conditions = self.model.conditions(self.timesteps, labels)

    def end(self) -> None:
        self.labels, self.c = torch.empty(0), None
        self.conditions = [None] * len(self.timesteps)

    def embed(self, k: int, x: Tensor, halves: int) -> Tensor:
        """Tokens [N,T,D] of x [B,C,H,W], repeated for both halves or the conditional one alone."""
        batch = x.repeat(halves, 1, 1, 1).to(next(self.model.parameters()).dtype)
        t = torch.full((len(batch),), self.timesteps[k], dtype=torch.float32, device=x.device)
        condition = self.conditions[k] if len(batch) == len(self.labels) else None
        h, self.c = self.model.embed(batch, t, self.labels[: len(batch)], condition)
        return h

    def enter_block(self, block: int, h: Tensor, skip: Tensor | None) -> Tensor:
        """Tokens [N,T,D] before the block, the long skip [N,T,D] joined."""
        return self.model.enter_block(block, h, skip)

    def branch(self, index: int, h: Tensor, out: Tensor | None) -> Tensor:
        """The branch's output [N,T,D]; `out` is not used."""
        return self.model.branch(index, h, self.c)

    def residual(self, index: int, h: Tensor, out: Tensor, keep: bool) -> Tensor:
        """h + gate * out [N,T,D]."""
        return self.model.residual(index, h, out, self.c)

    def reuse(self, kept: Sequence[tuple[int, Combination]], h: Tensor, keep: bool) -> Tensor:
        """h [N,T,D] after all kept branches, one after another."""
        for index, terms in kept:
            h = self.model.residual(index, h, combine(terms), self.c)
        return h

    def branch_input(self, index: int, h: Tensor) -> Tensor:
        return self.model.branch_input(index, h, self.c)

    def project(self, index: int, h: Tensor, ahead: bool) -> Sequence[Tensor]:
        return self.model.layer(index).project(self.branch_input(index, h))

    def part(self, index: int, h: Tensor, fresh: Tensor) -> Tensor:
        """The layer on the images or tokens that `fresh` picks of its input."""
        return self.model.layer(index)(pick(self.branch_input(index, h), fresh))

    def unembed(self, h: Tensor) -> Tensor:
        return self.model.unembed(h, self.c)

    c: Any
    conditions: list[Any]
