"""What the operations of a compiled trajectory share: its tensors, and what a policy sees of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bench.sampling.compiled.network import Network
from bench.sampling.executor import attention_map
from methods.plan import Span
from methods.policy import Decisions

Weights = tuple[tuple[int, float], ...]  # kept slots and their weights


@dataclass
class Frame:
    """The tensors of one trajectory: tokens, long skips, marked tokens, and what is kept between evaluations."""

    network: Network
    kept: list[Tensor | None]
    skips: dict[int, Tensor] = field(default_factory=dict)
    marks: dict[Span, Tensor] = field(default_factory=dict)
    k: int = 0  # the evaluation that is running
    point: int | None = None  # the branch that comes next, where a policy of known rows looks on
    decisions: Decisions = field(default_factory=Decisions)
    looked: list[tuple[int, int]] = field(default_factory=list)  # evaluation and branch that ran for the policy alone
    forget: Callable[[Span], None] = field(default=lambda slot: None)

    def read(self, weights: Weights) -> list[tuple[Tensor, float]]:
        """The kept tensors [N,T,D] with their weights."""
        return [(self.kept[slot], weight) for slot, weight in weights]  # type: ignore[misc]

    def buffer(self, slot: int, h: Tensor) -> Tensor:
        """Memory for what is kept in a slot, of the tokens' shape; its earlier tenant is not read any more."""
        kept = self.kept[slot]
        return torch.empty_like(h) if kept is None else kept

    def write(self, slot: int, value: Tensor) -> None:
        """Keep a copy of a value that others go on using."""
        self.kept[slot] = self.buffer(slot, value).copy_(value)

    # What a policy sees (methods.policy.Look).
    def branch_input(self, index: int) -> Tensor:
        return self.network.branch_input(index, self.tokens)

    def output_of(self, index: int) -> Tensor:
        self.looked.append((self.k, index))
        return self.network.branch(index, self.tokens, None).clone()

    def branch(self, index: int, tokens: Tensor) -> Tensor:
        self.looked.append((self.k, index))
        return self.network.residual(index, tokens, self.network.branch(index, tokens, None), True)

    def attention(self, index: int) -> Tensor:
        q, k, _ = self.network.project(index, self.tokens, index == self.point)
        return attention_map(q, k)

    def values(self, index: int) -> Tensor:
        return self.network.project(index, self.tokens, index == self.point)[2]

    def inputs(self) -> Tensor:
        """The network's input [N,C,H,W], in both halves."""
        return self.latents.repeat(self.halves, 1, 1, 1)

    x = property(inputs)
    latents: Tensor = field(init=False)
    halves: int = 1
    tokens: Tensor = field(init=False)
    output: Tensor | None = None
