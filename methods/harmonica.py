"""HarmoniCa: a router, trained through whole trajectories, decides at every evaluation (arXiv 2410.01723)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, from_mask
from methods.routing.file import Router, expect_scores, read_router, training_of
from methods.routing.shipped import by_weight, refusal
from models.errors import InputError

if TYPE_CHECKING:
    from models.denoiser import Denoiser


class HarmoniCa(CacheMethod):
    """A branch is computed where its score is above `threshold`, at every evaluation but the first, which computes all.

    `router` is a file or a tensor of scores; `l1` picks the shipped router that was trained with that β for the model
    and the sampler; without either it is the shipped one of the least β. Rows are those of the published files:
    respaced step indices, so the last row is the first evaluation's; on U-ViT evaluations in execution order. Branches
    age independently. `training` is, once a router has been read, what its file says that it cost.
    """

    name = "harmonica"
    title = "HarmoniCa"
    parameters = {
        "router": Parameter(object, help="router file, or scores in [0, 1] as a tensor [evaluations, branches]"),
        "l1": Parameter(float, None, 0.0, 1e6, help="β of a shipped router; default: the least"),
        "threshold": Parameter(float, 0.1, 0.0, 1.0, help="reuse scores up to this"),
        "transfer": Parameter(bool, False, help="take a router that was made for another model, sampler or guidance"),
    }
    router: Any
    l1: float | None
    threshold: float
    transfer: bool
    training: dict[str, Any] | None = None

    @classmethod
    def exact_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """A router that computes every branch of every evaluation."""
        import torch

        return {"router": torch.ones(len(sampler.evaluations(model.noise_schedule)), model.num_branches)}

    @classmethod
    def tiny_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        """A router of the pair's size with some branches below the threshold."""
        import torch

        rows = len(sampler.evaluations(model.noise_schedule))
        kept = (torch.arange(rows)[:, None] + torch.arange(model.num_branches)) % 3 == 0
        return {"router": kept.float(), "threshold": 0.5}

    def validate(self) -> None:
        """Reads the router that is given. Raises InputError where that is none, or where `l1` is given beside it."""
        if self.router is not None and self.l1 is not None:
            raise InputError("harmonica: give 'router' (a file or scores) or 'l1' (of a shipped router), not both")
        self.given: Router | None = None if self.router is None else expect_scores(self.name, self.router)
        if self.given is not None:
            self.training = training_of(self.given)

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The router's file, on which a result depends; empty for scores, or where none is shipped."""
        if self.given is None:
            with contextlib.suppress(InputError):  # the cell that cannot have it fails with that reason
                return [by_weight(self.name, model, sampler, self.l1)]
            return []
        return [Path(self.router)] if isinstance(self.router, (str, Path)) else []

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """None where there is a router that was made for this model, sampler and guidance; else why not."""
        try:
            self.find(model, sampler)
        except InputError as error:
            return str(error)
        return None

    def find(self, model: Denoiser, sampler: Sampler) -> Router:
        """The router that is given, else the shipped one. Raises InputError where there is none, or it is not for here.

        One that does not say what it was made for is taken as it is.
        """
        router = self.given or read_router(by_weight(self.name, model.name, sampler, self.l1))
        reason = refusal(router, model.name, sampler, self.transfer)
        if reason:
            raise InputError(reason)
        return router

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the router does not fit the denoiser and the sampler."""
        from models.uvit import UViT

        router = self.find(model, sampler)
        self.training = training_of(router)
        count, scores = len(sampler.evaluations(model.noise_schedule)), router.scores
        if tuple(scores.shape) != (count, model.num_branches):
            shape = f"[{scores.shape[0]}, {scores.shape[1]}]"
            raise InputError(f"{router.source}: scores of shape {shape}, expected [{count}, {model.num_branches}]")
        ordered = scores if isinstance(model, UViT) else scores.flip(0)
        if ordered[1:].isnan().any():
            raise InputError(f"{router.source}: a row that this sampler reads is NaN or not trained")
        computed = (ordered > self.threshold).numpy()
        computed[0] = True
        notes = {"router": router.source, "threshold": self.threshold, "training": self.training}
        return Plan(model.num_branches, from_mask(computed).rows, notes)
