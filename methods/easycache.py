"""EasyCache: reuse what the network adds while its output is predicted to change little (arXiv 2507.02860)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import CHANGE, Plan, Span
from methods.policy import Decisions, Look, Policy

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser
    from models.structure import Structure


class EasyCache(CacheMethod):
    """Between evaluations the output is predicted to change by its rate times the change of the input.

    The rate is |change of the output| / |change of the input| between the last two computed evaluations. Predicted
    changes, relative to the last output, add up; while the sum is below `threshold` the output is the current input
    plus what the network last added to it. The first `warmup` evaluations are computed. Decided for the whole batch. No
    code of the authors' runs class-conditional DiT; this follows the paper's text, and the variance channels are held.
    """

    name = "easycache"
    title = "EasyCache"
    parameters = {
        "threshold": Parameter(float, 0.05, 0.0, 1e6, help="sum of predicted relative changes that is still reused"),
        "warmup": Parameter(int, 5, 2, 1000, help="evaluations computed at the start"),
    }
    tiny = {"threshold": 0.9, "warmup": 2}
    exact = {"threshold": 0.0}
    threshold: float
    warmup: int

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Nothing is reused by the plan itself: the policy decides."""
        count = len(sampler.evaluations(model.noise_schedule))
        policy = Rate(model.num_branches, self.threshold, self.warmup)
        return Plan(model.num_branches, ((),) * count, policy=policy)


@dataclass(frozen=True)
class Rate(Policy):
    branches: int
    threshold: float
    warmup: int

    @property
    def points(self) -> tuple[int, ...]:
        """Before the first block, where the input is known."""
        return (0,)

    @property
    def slots(self) -> tuple[Span, ...]:
        """What the network last added to its input."""
        return (Span(0, self.branches, CHANGE),)

    def remembered_bytes(self, model: Structure, value_bytes: int) -> int:
        """The last input, and input and output of the last computed evaluation."""
        return 3 * prod(model.latent_shape) * max(4, value_bytes)  # of float32 at least, as the sampler's state is

    def begin(self, evaluations: int) -> Decisions:
        """The rate and the sum of one trajectory."""
        return RateDecisions(self)


class RateDecisions(Decisions):
    def __init__(self, policy: Rate) -> None:
        self.policy = policy
        self.rate = self.predicted = 0.0
        self.before: tuple[Tensor, Tensor] | None = None  # input and output of the last computed evaluation
        self.computing = False

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Add the predicted relative change of the output; reuse while the sum is below the threshold."""
        x = look.x
        if look.output is None:
            self.last, self.computing = x.clone(), True
            return ()
        output = look.output[:, : x.shape[1]]
        if self.computing:  # the evaluation before this one
            self.learn(self.last, output)
        self.predicted += self.rate * size(x - self.last) / max(size(output), 1e-30)
        self.last = x.clone()
        self.computing = k < self.policy.warmup or not self.predicted < self.policy.threshold  # NaN: compute
        if self.computing:
            self.predicted = 0.0
            return ()
        return self.policy.slots

    def learn(self, x: Tensor, output: Tensor) -> None:
        """The rate between the last two computed evaluations."""
        if self.before is not None:
            self.rate = size(output - self.before[1]) / max(size(x - self.before[0]), 1e-30)
        self.before = x, output.clone()


def size(tensor: Tensor) -> float:
    """mean|tensor|"""
    return float(tensor.abs().mean())
