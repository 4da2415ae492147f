"""Training of a router."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

import models
from bench.train.denoiser import Data
from bench.train.distributed import World
from bench.train.loop import Progress, Trainer
from bench.train.recipe import Recipe
from bench.train.router.drawing import draw_router
from bench.train.router.objective import RouterLogits, RouterLoss, RouterRecipe
from methods.method import Sampler
from methods.routing.file import write_router
from methods.routing.shipped import sampler_settings
from models.denoiser import Denoiser


@dataclass
class Scale:
    """Where a router is trained, and what is written meanwhile; not what is learned."""

    world: World = field(default_factory=World)
    checkpointing: bool = False
    save_every_s: float = 60.0
    plot: Path | None = None  # PNG or SVG


class RouterTrainer(Trainer):
    """All parts of a batch, on whatever process, are at the same pair: only its row moves, by their mean gradient."""

    model: RouterLogits
    loss: RouterLoss
    plot: Path | None = None

    def begin_step(self) -> None:
        self.loss.choose(self.model, self.streams.common)

    def save(self) -> None:
        """The checkpoint, and the picture of the router at that step."""
        super().save()
        if self.plot is not None and self.world.leads:
            draw_router(
                self.plot, self.loss.scores(self.model), self.progress.losses, self.loss.title(self.progress.step)
            )


def train_router(
    denoiser: Denoiser, sampler: Sampler, data: Data, recipe: RouterRecipe, out: Path, scale: Scale | None = None
) -> dict[str, Any]:
    """Train a router on data latents, store it with its card in `out` and return the card.

    Only logits have gradients; the denoiser, on the world's device, is evaluated as it is. Resumes an interrupted run
    of the same recipe from the checkpoint beside `out`. Raises InputError where the sampler leaves nothing to cache,
    the checkpoint is another run's, or `out` cannot be written.
    """
    scale = scale or Scale()
    loss = RouterLoss(denoiser, sampler, data, recipe, scale.checkpointing)
    logits = RouterLogits(loss.pairs, denoiser.num_branches, recipe.seed)
    checkpoint = out.with_name(out.name + ".checkpoint")
    trainer = RouterTrainer(logits, loss, recipe, checkpoint, scale.world)
    trainer.plot = scale.plot
    trained = trainer.run(scale.save_every_s)
    assert isinstance(trained, RouterLogits)
    trained.clamp()
    rows = {pair.row: row.cpu() for pair, row in zip(loss.pairs, trained.rows, strict=True)}
    card = describe(denoiser, sampler, recipe, trainer.progress, rows, scale.world)
    if scale.world.leads:
        write_router(out, rows, card)
        checkpoint.unlink(missing_ok=True)
    return card


def describe(
    denoiser: Denoiser,
    sampler: Sampler,
    recipe: RouterRecipe,
    progress: Progress,
    rows: dict[int, Tensor],
    world: World,
) -> dict[str, Any]:
    """The card: what was trained, on what, for how long, and what it decides at its threshold."""
    threshold = 0.1 if recipe.threshold is None else recipe.threshold
    kept = {str(i): int((row.sigmoid() > threshold).sum()) for i, row in sorted(rows.items())}
    total = len(rows) * denoiser.num_branches
    other = {} if recipe.interval == 2 else {"method": f"l2c with interval {recipe.interval}"}  # l2c's own is 2
    return {
        **other,
        **made_for(denoiser, sampler),
        "l1": recipe.l1,
        "rows": sampler.evaluations(denoiser.noise_schedule)[-1].step + 1,
        "threshold": threshold,
        "kept": kept,
        "removed": 1 - sum(kept.values()) / total,  # of the branches of cached evaluations
        **cost(recipe, progress, world),
    }


def made_for(denoiser: Denoiser, sampler: Sampler) -> dict[str, Any]:
    """What a router is for: methods refuse it elsewhere (methods/routing/shipped.py)."""
    return {
        "model": denoiser.name,
        "sampler": sampler_settings(sampler),
        "guidance_scale": models.spec(denoiser.name).guidance_scale if denoiser.name in models.names() else None,
    }


def cost(recipe: Recipe, progress: Progress, world: World) -> dict[str, Any]:
    """How it was trained, how long, and how the loss fell."""
    return {
        "seconds": round(progress.seconds, 1),
        "processes": world.size,
        "device": world.device_name,
        "device_seconds": round(progress.seconds * world.size, 1),
        "images": recipe.steps * recipe.batch,
        "recipe": recipe.described(),
        "loss": [[step, float(f"{value:.4g}")] for step, value in progress.losses],
    }
