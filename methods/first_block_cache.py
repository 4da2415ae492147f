"""First-block cache: reuse the rest of the stack while the first block's residual hardly changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import OFFSET, Plan, Span
from methods.policy import Decisions, Look, Policy

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser
    from models.structure import Structure


class FirstBlockCache(CacheMethod):
    """The first block is always run. What the others added is reused where the mean change of its residual, relative
    to that of the last evaluation which computed all, is at most `threshold`.

    Decided for the whole batch, both guidance halves together, as in diffusers 0.42.1, from ParaAttention; there is no
    paper. Nothing accumulates: a slow drift is compared with the last computed evaluation, so it is noticed.
    """

    name = "first-block-cache"
    title = "First-block cache"
    parameters = {"threshold": Parameter(float, 0.05, 0.0, 1e6, help="largest relative change that is reused")}
    tiny = {"threshold": 0.5}
    exact = {"threshold": 0.0}
    threshold: float

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """A block has to be left after the first."""
        return "first-block-cache: the first block is the only one" if model.num_blocks < 2 else None

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Nothing is reused by the plan itself: the policy decides."""
        count = len(sampler.evaluations(model.noise_schedule))
        return Plan(model.num_branches, ((),) * count, policy=FirstBlock(model.num_branches, self.threshold))


@dataclass(frozen=True)
class FirstBlock(Policy):
    branches: int
    threshold: float

    @property
    def points(self) -> tuple[int, ...]:
        """Before and after the first block."""
        return 0, 2

    @property
    def slots(self) -> tuple[Span, ...]:
        """The offset of all blocks but the first."""
        return (Span(2, self.branches, OFFSET),)

    def remembered_bytes(self, model: Structure, value_bytes: int) -> int:
        """The residual, and its size."""
        return residual_bytes(model, value_bytes)

    def begin(self, evaluations: int) -> Decisions:
        """The kept residual of one trajectory."""
        return FirstBlockDecisions(self)


class FirstBlockDecisions(Decisions):
    def __init__(self, policy: FirstBlock) -> None:
        self.policy = policy
        self.residual = Residual()

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Reuse where the first block's residual [N,T,D] changed less than the threshold."""
        if point == 0:
            self.residual.enter(look.tokens)
            return ()
        self.residual.leave(look.tokens)
        reuses = self.residual.before is not None and self.residual.change() <= self.policy.threshold
        self.residual.end(keep=not reuses)
        return self.policy.slots if reuses else ()


class Residual:
    """What the first blocks add to the tokens [N,T,D], beside what they added when all was computed last."""

    now: Tensor  # inside an evaluation alone: the tokens at its start, then the residual
    before: Tensor | None = None
    size: Tensor | None = None  # mean|before|, once it has been asked for

    def enter(self, tokens: Tensor) -> None:
        """Before the first blocks."""
        self.now = tokens.clone()

    def leave(self, tokens: Tensor) -> None:
        """After them."""
        import torch

        torch.sub(tokens, self.now, out=self.now)

    def change(self) -> float:
        """mean|now - before| / mean|before| over everything."""
        assert self.before is not None
        if self.size is None:
            self.size = self.before.abs().mean()
        return float((self.now - self.before).abs_().mean() / self.size)

    def end(self, keep: bool) -> None:
        """Once it is decided: keep the residual for later evaluations, or let go of it."""
        if keep:
            self.before, self.size = self.now, None
        del self.now


def residual_bytes(model: Structure, value_bytes: int) -> int:
    """Of a kept residual [T,D] of one image, and one number beside it."""
    tokens, width = model.token_shape()
    return (tokens * width + 1) * value_bytes
