"""SpeCa: extrapolate as TaylorSeer does, and verify in the last block whether to go on (arXiv 2509.11628)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, Span
from methods.policy import Decisions, Look, Policy

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser

METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of predicted and computed, over everything
    "relative_l1": lambda a, b: relative(a, b).mean(),
    "relative_l2": lambda a, b: relative(a, b).square().mean().sqrt(),
    "l1": lambda a, b: (a - b).abs().mean(),
    "l2": lambda a, b: (a - b).square().mean().sqrt(),
}
FLOOR = 0.01  # of the threshold


def relative(a: Tensor, b: Tensor) -> Tensor:
    """|a - b| / |b| of every element."""
    return (a - b).abs() / (b.abs() + 1e-10)


class SpeCa(CacheMethod):
    """After a computed evaluation the branches are extrapolated until the error or `max_steps` says to compute again.

    From extrapolation `min_steps` + 1 on, the last block is also run on its predicted input: the error of its predicted
    output against that never mends the evaluation, it makes the next one computed. The bound is `threshold` * `decay` ^
    (share of the trajectory done), at least 0.01. Decided for the whole batch, as in the published code
    (Cache4Diffusion 91a1949), where an extrapolation always follows a computed evaluation, also in the warm-up. The
    published metric `relative_l1` is a mean of elementwise ratios and unstable near zero. On U-ViT, whose last block
    begins with a long skip, its MLP alone is verified.
    """

    name = "speca"
    title = "SpeCa"
    parameters = {
        "threshold": Parameter(float, 0.1, 0.0, 1e9, help="bound of the error at the start"),
        "decay": Parameter(float, 0.01, 0.0, 1.0, help="what the bound is multiplied with over the trajectory"),
        "min_steps": Parameter(int, 2, 0, 1000, help="extrapolations that are not verified"),
        "max_steps": Parameter(int, 5, 1, 1000, help="most extrapolations in a row"),
        "metric": Parameter(str, "relative_l1", choices=tuple(METRICS), help="error of the last block's output"),
        "order": Parameter(int, 4, 0, 8, help="highest order of the extrapolation"),
        "warmup": Parameter(int, 3, 1, 1000, help="evaluations at the start of which every other is computed"),
    }
    tiny = {"threshold": 0.2, "min_steps": 0, "order": 1, "metric": "l2"}

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """A block has to be left before the one that verifies."""
        return "speca: the block that verifies is the only one" if model.num_blocks < 2 else None

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Nothing is reused by the plan itself: the policy decides."""
        count = len(sampler.evaluations(model.noise_schedule))
        last = model.num_branches - (1 if model.skips else 2)
        policy = Speculation(model.num_branches, last, **self.params)
        return Plan(model.num_branches, ((),) * count, policy=policy)


@dataclass(frozen=True)
class Speculation(Policy):
    branches: int
    last: int  # the first branch that is verified
    threshold: float
    decay: float
    min_steps: int
    max_steps: int
    metric: str
    order: int
    warmup: int

    @property
    def points(self) -> tuple[int, ...]:
        """Before the first branch, before the verified block, and after it."""
        return 0, self.last, self.branches

    @property
    def slots(self) -> tuple[Span, ...]:
        """Every branch's output with its differences."""
        return tuple(Span(j, j + 1, order=self.order) for j in range(self.branches))

    def begin(self, evaluations: int) -> Decisions:
        """The run and the error of one trajectory."""
        return SpeculationDecisions(self, evaluations)

    def bound(self, share: float) -> float:
        """threshold * decay^share, `share` of the trajectory done; never below FLOOR."""
        return max(self.threshold * self.decay**share, FLOOR)


class SpeculationDecisions(Decisions):
    def __init__(self, policy: Speculation, evaluations: int) -> None:
        self.policy, self.evaluations = policy, evaluations
        self.run = 0  # extrapolations since all was computed
        self.error = 0.0  # the last one's, where it was verified

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Extrapolate or compute; after enough extrapolations, verify the last block's output [N,T,D]."""
        policy = self.policy
        if point == 0:
            self.run = 0 if self.computes(k) else self.run + 1
            self.error = 0.0
            return self.spans(0, policy.last)
        if point == policy.last:
            self.verified = self.verify(look) if self.run > policy.min_steps else None
            return self.spans(policy.last, policy.branches)
        if self.verified is not None:
            self.error = float(METRICS[policy.metric](look.tokens, self.verified))
            self.verified = None
        return ()

    def computes(self, k: int) -> bool:
        """Whether evaluation k computes all."""
        if k == 0 or self.run == 0:
            return k == 0
        policy = self.policy
        late = self.run >= policy.max_steps or self.error > policy.bound((k + 1) / self.evaluations)
        return late or k < policy.warmup

    def spans(self, start: int, stop: int) -> Sequence[Span]:
        """Branches start … stop - 1 extrapolated, or none where all is computed."""
        return () if self.run == 0 else (Span(start, stop, order=self.policy.order),)

    def verify(self, look: Look) -> Tensor:
        """Tokens after the last block, run on its predicted input."""
        tokens = look.tokens.clone()
        for index in range(self.policy.last, self.policy.branches):
            tokens = look.branch(index, tokens)
        return tokens
