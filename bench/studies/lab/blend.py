"""The path from cached to computed: decided branches put out β of what they compute and 1 - β of what was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.studies.lab.masks import Cacheable
from methods.plan import Plan, Span, from_mask, uncached
from methods.policy import Decisions, Look, Policy


@dataclass(frozen=True)
class Blend(Policy):
    """All of a branch is computed anew and mixed with what was kept."""

    beta: float

    @property
    def points(self) -> tuple[int, ...]:
        return ()

    def begin(self, evaluations: int) -> Decisions:
        return Blending(self.beta)


class Blending(Decisions):
    """β fresh + (1 - β) kept (arXiv 2406.01733, section 3.3), of every image."""

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def fresh(self, k: int, index: int, look: Look) -> Tensor:
        return torch.ones(len(look.tokens), dtype=torch.bool, device=look.tokens.device)

    def merge(self, kept: Tensor, fresh: Tensor, out: Tensor) -> Tensor:
        return torch.lerp(kept, out, self.beta)


def blended(cacheable: Cacheable, beta: float) -> Plan:
    """The plan at β in [0, 1]: at 0 all decided branches are reused, at 1 they are computed."""
    if beta == 1:
        return uncached(cacheable.evaluations, cacheable.branches)
    if beta == 0:
        return from_mask(cacheable.mask(np.zeros((len(cacheable.decided), cacheable.branches), dtype=bool)))
    mixed = tuple(Span(j, j + 1, fresh=beta) for j in range(cacheable.branches))
    rows: Sequence[tuple[Span, ...]] = [mixed if k in cacheable.decided else () for k in range(cacheable.evaluations)]
    return Plan(cacheable.branches, tuple(rows), policy=Blend(beta))
