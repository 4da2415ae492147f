"""Which branches a trajectory computes: orders in which the cacheable ones are removed, and masks of equal cost.

Cacheable are the branches of the evaluations that L2C's routers decide about: each of them lies behind an evaluation
that is computed whole, and reuses what was kept last. So all masks here are of the same kind and differ only in which
branches they remove. A mask is bool [evaluations, branches], True where computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.studies import Unanswerable
from bench.studies.lab.subject import Subject
from bench.suite.cells import Part
from methods.method import Sampler
from methods.plan import Plan
from methods.routing.file import Router, read_router
from methods.routing.pattern import routed_between
from methods.routing.shipped import shelf, strengths
from methods.smoothcache import Errors

Mask = NDArray[np.bool_]
Array = NDArray[np.float64]
DDIM_50 = Part("ddim", {"steps": 50})
# Of few evaluations, for a quick look: one of them has routers of either small model.
FEW = (Part("ddim", {"steps": 20}), Part("dpm-solver++", {"steps": 20, "variant": "uvit-singlestep"}))
CALIBRATION = range(1_000_000, 1_000_010)  # seeds apart from those that are judged


@dataclass(frozen=True)
class Cacheable:
    """The decided evaluations of `evaluations` in all, in execution order, and how many branches each has."""

    evaluations: int
    branches: int
    decided: tuple[int, ...]

    @classmethod
    def of(cls, subject: Subject, sampler: Sampler, interval: int = 2) -> Cacheable:
        """Where one evaluation in `interval` is full."""
        evaluations = sampler.evaluations(subject.model.noise_schedule)
        decided = tuple(one.evaluation for one, _ in routed_between(subject.model, evaluations, interval))
        return cls(len(evaluations), subject.model.num_branches, decided)

    @property
    def size(self) -> int:
        return len(self.decided) * self.branches

    def mask(self, kept: Mask) -> Mask:
        """The whole mask where `kept` [decided, branches] is of the decided evaluations."""
        mask = np.ones((self.evaluations, self.branches), dtype=bool)
        mask[list(self.decided)] = kept
        return mask

    def without(self, importance: Array, removed: float) -> Mask:
        """The mask without that share of the cacheable branches, those of least importance [decided, branches]."""
        kept = np.ones(self.size, dtype=bool)
        kept[np.argsort(importance, axis=None, kind="stable")[: round(removed * self.size)]] = False
        return self.mask(kept.reshape(len(self.decided), self.branches))

    def removed(self, mask: Mask) -> float:
        """The share of cacheable branches that a mask removes."""
        return float((~mask).sum()) / self.size

    def shuffled(self, mask: Mask, seed: int) -> Mask:
        """A random mask that removes as many attention and as many MLP branches: of equal cost to the last product."""
        rng, kept = np.random.default_rng(seed), mask[list(self.decided)]
        for kind in (0, 1):
            decisions = kept[:, kind::2].ravel()
            kept[:, kind::2] = rng.permutation(decisions).reshape(len(self.decided), -1)
        return self.mask(kept)

    def random(self, seed: int) -> Array:
        """Importances that are drawn."""
        return np.random.default_rng(seed).random((len(self.decided), self.branches))

    def uniform(self) -> Array:
        """FORA's: whole evaluations, those removed first spread evenly over the trajectory."""
        order = np.argsort([radical_inverse(i) for i in range(len(self.decided))])
        rank = np.empty(len(order))
        rank[order] = np.arange(len(order))
        return rank[:, None] + np.arange(self.branches) / self.branches


def radical_inverse(i: int) -> float:
    """Binary digits of i behind the point, reversed (van der Corput): 0, 1/2, 1/4, 3/4, 1/8, …"""
    total, share = 0.0, 0.5
    while i:
        total, i, share = total + share * (i & 1), i >> 1, share / 2
    return total


@dataclass(frozen=True)
class Learned:
    """A shipped router: its scores [decided, branches], and the mask that it makes by its own threshold."""

    l1: float
    scores: Array
    mask: Mask
    threshold: float

    def importance(self, seed: int = 0) -> Array:
        """The scores; which of two equal ones goes first, as many are at their limits, is drawn."""
        ties = np.random.default_rng(seed).random(self.scores.shape)
        order = np.lexsort((ties.ravel(), self.scores.ravel()))
        rank = np.empty(order.size)
        rank[order] = np.arange(order.size)
        return rank.reshape(self.scores.shape)


def routed(subject: Subject, samplers: Sequence[Part]) -> Part:
    """The first of these samplers that routers of the model are shipped for; the last where there are none."""
    return next((part for part in samplers if strengths(subject.spec.name, part.method)), samplers[-1])


def learned(subject: Subject, sampler: Sampler, interval: int = 2) -> list[Learned]:
    """The routers that are shipped for a sampler, by λ. Raises Unanswerable where there is none."""
    routers = strengths(shelf(subject.spec.name, interval=interval), sampler)
    if not routers:
        known = f"{subject.spec.name} with {sampler.label}{'' if interval == 2 else f' and interval {interval}'}"
        raise Unanswerable(f"no router is shipped for {known}, which this study compares with")
    cacheable = Cacheable.of(subject, sampler, interval)
    decided = routed_between(subject.model, sampler.evaluations(subject.model.noise_schedule), interval)
    return [_learned(cacheable, l1, read_router(path), [r.row for r, _ in decided]) for l1, path in routers.items()]


def _learned(cacheable: Cacheable, l1: float, router: Router, rows: Sequence[int]) -> Learned:
    scores, threshold = router.scores[list(rows)], router.card["threshold"]
    return Learned(l1, scores.double().numpy(), cacheable.mask((scores > threshold).numpy()), threshold)


def calibrated(subject: Subject, sampler: Sampler, cacheable: Cacheable) -> Array:
    """SmoothCache's importances: the error of reusing a kind of branch, mean over its blocks, from a few images."""
    errors = Errors(cacheable.branches, cacheable.evaluations)
    subject.latents(sampler, Plan(cacheable.branches, ((),) * cacheable.evaluations, policy=errors), CALIBRATION)
    mean = errors.mean()[:, 0, [k - 1 for k in cacheable.decided]].T  # [decided, branches]: of k - 1 for k
    kinds = mean.reshape(len(cacheable.decided), -1, 2).mean(axis=1)  # [decided, 2]
    return np.tile(kinds, cacheable.branches // 2)
