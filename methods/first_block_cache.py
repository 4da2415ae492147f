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

    def begin(self, evaluations: int) -> Decisions:
        """The kept residual of one trajectory."""
        return FirstBlockDecisions(self)


class FirstBlockDecisions(Decisions):
    def __init__(self, policy: FirstBlock) -> None:
        self.policy = policy
        self.computed_residual: Tensor | None = None

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Reuse where the first block's residual [N,T,D] changed less than the threshold."""
        if point == 0:
            self.start = look.tokens.clone()
            return ()
        residual, before = look.tokens - self.start, self.computed_residual
        if before is not None and relative_change(residual, before) <= self.policy.threshold:
            return self.policy.slots
        self.computed_residual = residual
        return ()


def relative_change(now: Tensor, before: Tensor) -> float:
    """mean|now - before| / mean|before| over everything."""
    return float((now - before).abs().mean() / before.abs().mean())
