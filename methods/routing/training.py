"""Training of a router: mean squared error to the full evaluation plus λ times the scores (arXiv 2406.01733)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from methods.method import Sampler
from methods.routing.file import write_router
from methods.routing.interpolation import interpolate, squared_error, straight_through
from methods.routing.pairs import Pair, pairs, reach, timestep
from methods.routing.shipped import sampler_settings
from models.denoiser import Denoiser
from models.errors import InputError
from models.training.denoiser import Data
from models.training.distributed import World
from models.training.loop import Progress, Trainer
from models.training.recipe import INFINITE, Recipe

LIMIT = 5.0  # logits stay in [-5, 5], scores in [0.0067, 0.9933]


@dataclass
class RouterRecipe(Recipe):
    """Everything that a training run depends on; kept in checkpoints and in the router's card."""

    steps: int = 400  # of the optimiser
    batch: int = 8
    learning_rate: float = 0.3
    warmup: int = 1
    ema_decay: float = 0.0
    clip_norm: float = INFINITE
    l1: float = 0.0  # λ
    threshold: float | None = None  # decide by it while training, straight through; None: interpolate
    model: str = ""
    weights: str = ""  # SHA-256 of the denoiser's weights
    sampler: str = ""


class RouterLogits(nn.Module):
    """One row of logits [branches] a pair. Each is a parameter of its own, so that AdamW leaves unused rows alone."""

    def __init__(self, found: Sequence[Pair], branches: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.rows = nn.ParameterList(torch.randn(branches, generator=generator) for _ in found)
        self.register_buffer("visits", torch.zeros(len(found)))

    @torch.no_grad()
    def clamp(self) -> None:
        for row in self.rows:
            row.clamp_(-LIMIT, LIMIT)

    def next_pair(self, generator: torch.Generator) -> int:
        """A random one of the pairs visited least, so that a short run treats them alike."""
        draw = torch.rand(len(self.visits), generator=generator)
        chosen = int((self.visits + draw * 0.5).argmin())
        self.visits[chosen] += 1
        return chosen


@dataclass
class RouterLoss:
    """Callable for the training loop: draws a batch at the chosen pair, returns error + λ Σ scores."""

    denoiser: Denoiser  # frozen, on the device
    sampler: Sampler
    data: Data
    recipe: RouterRecipe
    checkpointing: bool = False  # of the student's blocks; the teacher keeps nothing anyway
    number: int = 0  # of the chosen pair

    def __post_init__(self) -> None:
        self.pairs = pairs(self.denoiser, self.sampler)
        if not self.pairs:
            raise InputError(f"{self.sampler.name}: too few evaluations, a router would have nothing to decide")

    def choose(self, logits: RouterLogits, generator: torch.Generator) -> None:
        """The pair of the next step, for all parts of its batch."""
        logits.clamp()
        self.number = logits.next_pair(generator)

    def __call__(self, logits: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(logits, RouterLogits)
        row, pair = logits.rows[self.number], self.pairs[self.number]
        clean, labels = self.data.draw(self.recipe.batch // self.recipe.parts, generator)
        labels = labels.clone()
        labels[torch.rand(len(labels), generator=generator) < self.recipe.label_dropout] = self.denoiser.null_label
        noise = torch.randn(clean.shape, generator=generator)
        clean, noise, labels = (tensor.to(row.device) for tensor in (clean, noise, labels))
        x, kept = reach(self.denoiser, self.sampler, pair, clean, noise, labels, generator)
        t = timestep(self.sampler.evaluations(self.denoiser.noise_schedule), pair.cached, x)
        error, scores = self.parts(x, t, labels, kept, row)
        return error + self.recipe.l1 * scores.sum()

    def parts(self, x: Tensor, t: Tensor, labels: Tensor, kept: list[Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
        """Mean error of the interpolated evaluation at x [B,C,H,W], t [B] to the full one, and the scores."""
        scores = logits.sigmoid()
        with torch.no_grad():
            teacher = self.denoiser(x, t, labels)
        weights = straight_through(scores, self.recipe.threshold)
        student = interpolate(self.denoiser, x, t, labels, kept, weights, self.checkpointing)
        return squared_error(self.denoiser, teacher, student).mean(), scores


class RouterTrainer(Trainer):
    """All parts of a batch, on whatever process, are at the same pair: only its row moves, by their mean gradient."""

    def begin_step(self) -> None:
        assert isinstance(self.loss, RouterLoss)
        assert isinstance(self.model, RouterLogits)
        self.loss.choose(self.model, self.streams.common)


def train_router(
    denoiser: Denoiser,
    sampler: Sampler,
    data: Data,
    recipe: RouterRecipe,
    out: Path,
    world: World | None = None,
    checkpointing: bool = False,
    save_every_s: float = 60.0,
) -> dict[str, Any]:
    """Train a router on data latents, store it with its card in `out` and return the card.

    Only logits have gradients; the denoiser, on the world's device, is evaluated as it is. Resumes an interrupted run
    of the same recipe from the checkpoint beside `out`. Raises InputError where the sampler leaves nothing to cache,
    the checkpoint is another run's, or `out` cannot be written.
    """
    world = world or World()
    loss = RouterLoss(denoiser, sampler, data, recipe, checkpointing)
    logits = RouterLogits(loss.pairs, denoiser.num_branches, recipe.seed)
    checkpoint = out.with_name(out.name + ".checkpoint")
    trainer = RouterTrainer(logits, loss, recipe, checkpoint, world)
    trained = trainer.run(save_every_s)
    assert isinstance(trained, RouterLogits)
    trained.clamp()
    rows = {pair.row: row.cpu() for pair, row in zip(loss.pairs, trained.rows, strict=True)}
    card = describe(denoiser, sampler, recipe, trainer.progress, rows, world)
    if world.leads:
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
    return {
        "model": denoiser.name,
        "sampler": sampler_settings(sampler),
        "l1": recipe.l1,
        "rows": sampler.evaluations(denoiser.noise_schedule)[-1].step + 1,
        "threshold": threshold,
        "kept": kept,
        "removed": 1 - sum(kept.values()) / total,  # of the branches of cached evaluations
        "seconds": round(progress.seconds, 1),
        "processes": world.size,
        "device": world.device_name,
        "device_seconds": round(progress.seconds * world.size, 1),
        "images": recipe.steps * recipe.batch,
        "recipe": recipe.described(),
        "loss": [[step, float(f"{value:.4g}")] for step, value in progress.losses],
    }
