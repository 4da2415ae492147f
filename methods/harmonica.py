"""HarmoniCa: a router, trained through whole trajectories, decides at every evaluation (arXiv 2410.01723)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, from_mask
from methods.routing.file import Router, expect_scores, training_of
from methods.routing.shipped import refusal
from models.errors import InputError, expect_one_of

if TYPE_CHECKING:
    from models.denoiser import Denoiser


SUFFIXES = (".safetensors", ".pt", ".pth")  # of router files
SHIPPED = Path(__file__).parent / "routers" / "harmonica"


def router_file(value: str | Path) -> Path:
    """The file that a path or the name of a shipped router stands for. Raises InputError for an unknown name."""
    path = Path(value)
    if path.suffix in SUFFIXES or path.name != str(value) or path.exists():
        return path
    expect_one_of("router of harmonica", str(value), [file.stem for file in SHIPPED.glob("*.safetensors")])
    return SHIPPED / f"{value}.safetensors"


class HarmoniCa(CacheMethod):
    """A branch is computed where its score is above `threshold`, at every evaluation but the first, which computes all.

    Rows are those of the published files: respaced step indices, so the last row is the first evaluation's; on U-ViT
    evaluations in execution order. Branches age independently. `training` is what the router's file says it cost.
    """

    name = "harmonica"
    title = "HarmoniCa"
    parameters = {
        "router": Parameter(
            object, required=True, help="file, name of a shipped router, or scores in [0, 1] [evaluations, branches]"
        ),
        "threshold": Parameter(float, 0.1, 0.0, 1.0, help="reuse scores up to this"),
        "transfer": Parameter(bool, False, help="take a router that was made for another model, sampler or guidance"),
    }
    router: Any
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
        """Reads the router. Raises InputError where that is none."""
        stated = router_file(self.router) if isinstance(self.router, (str, Path)) else self.router
        self.given: Router = expect_scores(self.name, stated)
        self.training = training_of(self.given)

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The router's file, on which a result depends."""
        return [router_file(self.router)] if isinstance(self.router, (str, Path)) else []

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """None where the router was made for this model, sampler and guidance, or does not say; else why not."""
        return refusal(self.given, model.name, sampler, self.transfer)

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the router does not fit the denoiser and the sampler."""
        from models.uvit import UViT

        reason = refusal(self.given, model.name, sampler, self.transfer)
        if reason:
            raise InputError(reason)
        count, scores = len(sampler.evaluations(model.noise_schedule)), self.given.scores
        if tuple(scores.shape) != (count, model.num_branches):
            shape = f"[{scores.shape[0]}, {scores.shape[1]}]"
            raise InputError(f"{self.given.source}: scores of shape {shape}, expected [{count}, {model.num_branches}]")
        ordered = scores if isinstance(model, UViT) else scores.flip(0)
        if ordered[1:].isnan().any():
            raise InputError(f"{self.given.source}: a row that this sampler reads is NaN or not trained")
        computed = (ordered > self.threshold).numpy()
        computed[0] = True
        notes = {"router": self.given.source, "threshold": self.threshold, "training": self.training}
        return Plan(model.num_branches, from_mask(computed).rows, notes)
