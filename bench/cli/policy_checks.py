"""What is decided during sampling: from one trajectory alone, and as much computed as the plan then says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from bench.cli.method_case import Case, expect
from bench.sampling import make_plan
from methods.policy import Decisions


def remembers_no_other_trajectory(case: Case) -> None:
    """A plan that runs for one batch after another: the same images are the same whatever ran before them."""
    plan = make_plan(case.model, case.sampler, case.tiny())
    for path in ("plain", "compiled"):
        run, (ours, others) = case.prepared(plan, path), (case.inputs(), case.inputs(100))
        before = run(*ours).clone()
        run(*others)
        expect(torch.equal(before, run(*ours)), f"{path}: the same images differ after another batch has run")


@dataclass
class Pick:
    """What a policy picked of a branch that is computed in part."""

    k: int
    index: int
    fresh: Any
    images: int
    tokens: int

    def __str__(self) -> str:
        return f"evaluation {self.k}, branch {self.index}: fresh"

    def fits(self) -> bool:
        """Whether it names images, bool [N], or tokens of each, int64 [N,K]."""
        fresh = self.fresh
        if not isinstance(fresh, Tensor):
            return False
        if fresh.dtype == torch.bool:
            return fresh.shape == (self.images,)
        tokens = fresh.dtype == torch.int64 and fresh.ndim == 2 and len(fresh) == self.images
        return tokens and bool(((fresh >= 0) & (fresh < self.tokens)).all())

    def share(self) -> float:
        return float(self.fresh.float().mean()) if self.fresh.ndim == 1 else self.fresh.shape[1] / self.tokens

    def unit(self) -> float:
        """The share of one image, or of one token."""
        return 1 / (self.images if self.fresh.ndim == 1 else self.tokens)


def computes_as_much_as_it_says(case: Case) -> None:
    """Tokens or images that `fresh` picks are there, and as many as the plan that was taken counts."""
    plan = make_plan(case.model, case.sampler, case.tiny())
    if plan.policy is None:
        return
    picks: list[Pick] = []
    policy, begin = type(plan.policy), type(plan.policy).begin
    with mock.patch.object(policy, "begin", lambda self, evaluations: watched(begin(self, evaluations), picks)):
        run = case.prepared(plan, "plain")
        run(*case.inputs())
    for pick in picks:
        said = run.taken().shares[pick.k, pick.index]
        close = abs(pick.share() - said) < pick.unit()
        expect(close, f"{pick} picks {pick.share():.3g} of all, its span says {said:.3g}")


def watched(decisions: Decisions, picks: list[Pick]) -> Decisions:
    """The decisions of a trajectory, what they pick and merge being looked at."""
    inner: Any = decisions.fresh, decisions.merge

    def fresh(k: int, index: int, look: Any) -> Tensor:
        pick = Pick(k, index, inner[0](k, index, look), *look.tokens.shape[:2])
        expected = f"bool [{pick.images}], or int64 [{pick.images}, K] of 0..{pick.tokens - 1}"
        expect(pick.fits(), f"{pick} must be {expected}")
        picks.append(pick)
        return pick.fresh

    def merge(kept: Tensor, fresh: Tensor, out: Tensor) -> Tensor:
        shape, merged = kept.shape, inner[1](kept, fresh, out)
        expect(isinstance(merged, Tensor) and merged.shape == shape, f"merge must return {list(shape)}")
        return merged

    watching: Any = decisions
    watching.fresh, watching.merge = fresh, merge
    return decisions
