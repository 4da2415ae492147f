"""A policy: what a cache method decides during sampling, from what it has seen so far.

A policy is settings alone, a frozen dataclass, and part of a plan. At every trajectory it begins a `Decisions`, which
may keep what it likes of that trajectory and no longer. An evaluation stops before each of the policy's `points` and
asks `decide`, which answers with the spans from there up to the next point; the last point may be the number of
branches, where there is nothing left to decide but something to see. The future cannot be seen: a look shows the
evaluation up to that point.

A policy that decides rows lists in `slots` every tensor that it may reuse; they are kept at each evaluation that
produces them. One without slots sees the evaluations of a plan that is known before, such as one whose spans leave open
which tokens are computed anew: `fresh` says which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from methods.span import Span
    from models.structure import Structure


class Look(Protocol):
    """What is seen of an evaluation: N images (both guidance halves), T tokens, D features."""

    x: Tensor  # the network's input [N,C,H,W]
    output: Tensor | None  # what the evaluation before returned [N,C or 2C,H,W]; None at the first
    tokens: Tensor  # at this point [N,T,D]; may be overwritten later, so copy what is to be remembered

    def branch_input(self, index: int) -> Tensor:
        """The branch's normalised, modulated input [N,T,D], from the tokens at this point."""

    def output_of(self, index: int) -> Tensor:
        """The branch's output [N,T,D] before its gate, from the tokens at this point; for the policy alone."""

    def branch(self, index: int, tokens: Tensor) -> Tensor:
        """Tokens [N,T,D] after a branch that is run for the policy alone; the evaluation goes on without it."""

    def attention(self, index: int) -> Tensor:
        """An attention branch's softmax map [N,H,T,T], from the tokens at this point."""

    def values(self, index: int) -> Tensor:
        """An attention branch's values [N,H,T,D/H], from the tokens at this point."""

    def forget(self, slot: Span) -> None:
        """Drop what was kept, differences and all."""


@dataclass(frozen=True)
class Policy(ABC):
    """Settings of what is decided during sampling."""

    @property
    @abstractmethod
    def points(self) -> tuple[int, ...]:
        """Branches, ascending, before which an evaluation stops to ask; the number of branches: after the last."""

    @property
    def slots(self) -> tuple[Span, ...]:
        """What may be reused; empty where the plan's rows are known."""
        return ()

    def remembered_bytes(self, model: Structure, value_bytes: int) -> int:
        """Most bytes that the `Decisions` keep from one evaluation to the next, for each of the N images.

        `value_bytes` are those of one value of the tokens. What the slots keep is not counted here.
        """
        return 0

    @abstractmethod
    def begin(self, evaluations: int) -> Decisions:
        """The decisions of one trajectory."""


class Decisions:
    """One trajectory's decisions; its attributes are what it remembers."""

    computed: list[Tensor] | None = None  # bool [N,branches] an evaluation, where images of a batch differ

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Spans of evaluation k from `point` up to the next point; what is in none is computed."""
        return ()

    def fresh(self, k: int, index: int, look: Look) -> Tensor:
        """What a partly reused branch computes: tokens int64 [N,K], or images bool [N]."""
        raise NotImplementedError(f"{type(self).__name__}: a span with fresh= needs a method fresh(k, index, look)")

    def merge(self, kept: Tensor, fresh: Tensor, out: Tensor) -> Tensor:
        """`kept` [N,T,D] with `out`, of the tokens [N,K] or the images [N] in `fresh`, written in its place."""
        if fresh.ndim == 1:
            kept[fresh] = out
        else:
            kept.flatten(0, 1).index_copy_(0, flat_rows(fresh, kept.shape[1]), out.flatten(0, 1))
        return kept


def pick(z: Tensor, fresh: Tensor) -> Tensor:
    """Rows of z [N,T,D]: the images in a bool [N], or each image's tokens in an int64 [N,K]."""
    if fresh.ndim == 1:
        return z[fresh]
    rows = z.flatten(0, 1).index_select(0, flat_rows(fresh, z.shape[1]))  # whole rows are copied: gather takes numbers
    return rows.view(*fresh.shape, z.shape[-1])


def flat_rows(index: Tensor, count: int) -> Tensor:
    """Which rows of z [N T,D] are tokens `index` [N,K] of z [N,T,D], T = `count`: [N K]."""
    return (index + first_rows(index.shape[0], count, index.device)).flatten()


@lru_cache(maxsize=16)
def first_rows(images: int, count: int, device: torch.device) -> Tensor:
    """The first of each image's `count` rows: [N,1]."""
    import torch

    return torch.arange(0, images * count, count, device=device).unsqueeze(1)
