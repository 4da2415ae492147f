"""L2C, Learning-to-Cache: a trained router says which branches to reuse (Ma et al., arXiv 2406.01733)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.method import CacheMethod, Evaluation, Parameter, Sampler
from methods.plan import Plan, from_mask
from methods.routing.file import Router, expect_scores, read_router, training_of
from methods.routing.official import NAME as OFFICIAL
from methods.routing.official import find_official
from methods.routing.pattern import routed_evaluations, solver_steps
from methods.routing.shipped import find, made_for, refusal, strengths
from models.errors import InputError

if TYPE_CHECKING:
    from models.denoiser import Denoiser

THRESHOLD = 0.1  # of the published DiT routers; U-ViT's are published with 0.9


class L2C(CacheMethod):
    """Every other evaluation reuses each branch whose router score is at most `threshold`; the rest is computed.

    `router` is a file (ours, or one in either official layout), "official" for the one that its authors published for
    the model and the sampler, or a tensor of scores in [0, 1], [rows, branches]; `l1` picks the shipped router that was
    trained with that λ for them. A file that says it was made for another model, sampler or guidance is refused unless
    `transfer`. `training` is, once a router has been read, what its training cost: a dict with `seconds`, `images` and
    `l1`, and `made_for` where it was transferred; or None where its file does not say.
    """

    name = "l2c"
    title = "L2C"
    parameters = {
        "router": Parameter(object, help="router file, 'official', or scores in [0, 1] as a tensor [rows, branches]"),
        "l1": Parameter(float, None, 0.0, 1e6, help="λ of a shipped router"),
        "threshold": Parameter(
            float, None, 0.0, 1.0, help="reuse scores up to this; default: the router's own, or 0.1"
        ),
        "transfer": Parameter(bool, False, help="take a router that was made for another model, sampler or guidance"),
    }
    router: Any
    transfer: bool
    l1: float | None
    threshold: float | None
    training: dict[str, Any] | None = None

    @classmethod
    def exact_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """A router that computes every branch of every evaluation."""
        import torch

        return {"router": torch.ones(*_score_shape(model, sampler))}

    @classmethod
    def tiny_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """A router of the pair's size with some branches below the threshold."""
        import torch

        rows, branches = _score_shape(model, sampler)
        kept = (torch.arange(rows)[:, None] + torch.arange(branches)) % 3 == 0  # a third of the branches
        return {"router": kept.float(), "threshold": 0.5}

    def validate(self) -> None:
        """Raises InputError unless either `router` or `l1` is given, and where the router holds no scores in [0, 1]."""
        if (self.router is None) == (self.l1 is None):
            raise InputError("l2c: give either 'router' (a file or a tensor of scores) or 'l1' (λ of a shipped router)")
        self.official = isinstance(self.router, str) and self.router == OFFICIAL
        self.given: Router | None = (
            None if self.router is None or self.official else expect_scores(self.name, self.router)
        )
        if self.given is not None:
            self.training = training_of(self.given)

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The router's file, part of what a result depends on; empty for a tensor, or where none is shipped."""
        if self.official:
            with contextlib.suppress(InputError):  # the cell that cannot have it fails with that reason
                return [find_official(model, sampler).file()]
            return []
        if self.given is None:
            path = strengths(model, sampler).get(float(self.l1 or 0))
            return [] if path is None else [path]
        return [Path(self.router)] if isinstance(self.router, (str, Path)) else []

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """None where a router is there for this model and sampler; else why not."""
        if self.official:
            return _reason(find_official, model.name, sampler)
        if self.given is not None:
            return refusal(self.given, model.name, sampler, self.transfer)
        if not strengths(model.name, sampler):
            name = model.name or type(model).__name__
            return f"l2c: no router is shipped for {name} with {sampler.name} at steps = {sampler.params.get('steps')}"
        return _reason(find, model.name, sampler, float(self.l1 or 0))  # a λ of a sweep that is not trained yet

    def find(self, model: Denoiser, sampler: Sampler) -> Router:
        """The router by name: the official one, or the shipped one for `l1`. Raises InputError where there is none."""
        if self.official:
            return find_official(model.name, sampler).read()
        return read_router(find(model.name, sampler, float(self.l1 or 0)))

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the router does not fit the denoiser and the sampler's steps."""
        router = self.given or self.find(model, sampler)
        evaluations = sampler.evaluations(model.noise_schedule)
        reason = refusal(router, model.name, sampler, self.transfer)
        if reason:
            raise InputError(reason)
        check_shape(router, model, sampler, evaluations)
        self.training = training_of(router)
        transferred = made_for(router.card, model.name, sampler)
        if transferred and self.training is not None:
            self.training["made_for"] = transferred
        threshold = router.card.get("threshold", THRESHOLD) if self.threshold is None else self.threshold
        computed = np.ones((len(evaluations), model.num_branches), dtype=bool)
        for routed in routed_evaluations(model, evaluations):
            scores = router.scores[routed.row]
            if scores.isnan().any():
                raise InputError(f"{router.source}: row {routed.row}, which this sampler reads, is NaN or not trained")
            computed[routed.evaluation] = (scores > threshold).numpy()
        notes = {"router": router.source, "threshold": threshold, "training": self.training, "made_for": transferred}
        return Plan(model.num_branches, from_mask(computed).rows, notes)


def check_shape(router: Router, model: Denoiser, sampler: Sampler, evaluations: Sequence[Evaluation]) -> None:
    """Raise InputError unless there is a column a branch and a row a solver step, or a row a requested evaluation.

    The official U-ViT routers have the latter, and read only the first half of their rows.
    """
    rows, branches = router.scores.shape
    steps = solver_steps(evaluations)
    allowed = {steps, len(evaluations), sampler.params.get("steps", steps)}
    if branches != model.num_branches or rows not in allowed:
        expected = f"[{' or '.join(str(n) for n in sorted(allowed))}, {model.num_branches}]"
        raise InputError(f"{router.source}: scores of shape [{rows}, {branches}], expected {expected}")


def _reason(look_up: Callable[..., object], *where: Any) -> str | None:
    """Why there is no such router, in one line; None where there is one."""
    try:
        look_up(*where)
    except InputError as error:
        return str(error)
    return None


def _score_shape(model: Denoiser, sampler: Sampler) -> tuple[int, int]:
    return solver_steps(sampler.evaluations(model.noise_schedule)), model.num_branches
