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
from models.training.loop import Progress, Recipe, Trainer

LIMIT = 5.0  # logits stay in [-5, 5], scores in [0.0067, 0.9933]
INFINITE = float("inf")


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
    label_dropout: float = 0.1
    model: str = ""
    weights: str = ""  # SHA-256 of the denoiser's weights
    sampler: str = ""
    data: str = ""


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
    """Callable for the training loop: draws a pair and a batch, returns error + λ Σ scores."""

    denoiser: Denoiser
    sampler: Sampler
    latents: Tensor  # float32 [N,C,H,W]
    labels: Tensor  # int64 [N]
    recipe: RouterRecipe

    def __post_init__(self) -> None:
        self.pairs = pairs(self.denoiser, self.sampler)
        if not self.pairs:
            raise InputError(f"{self.sampler.name}: too few evaluations, a router would have nothing to decide")

    def __call__(self, logits: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(logits, RouterLogits)
        logits.clamp()
        number = logits.next_pair(generator)
        chosen = torch.randint(len(self.latents), (self.recipe.batch,), generator=generator)
        labels = self.labels[chosen].clone()
        labels[torch.rand(len(chosen), generator=generator) < self.recipe.label_dropout] = self.denoiser.null_label
        clean = self.latents[chosen]
        noise = torch.randn(clean.shape, generator=generator)
        x, kept = reach(self.denoiser, self.sampler, self.pairs[number], clean, noise, labels, generator)
        t = timestep(self.sampler.evaluations(self.denoiser.noise_schedule), self.pairs[number].cached, x)
        error, scores = self.parts(x, t, labels, kept, logits.rows[number])
        return error + self.recipe.l1 * scores.sum()

    def parts(self, x: Tensor, t: Tensor, labels: Tensor, kept: list[Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
        """Mean error of the interpolated evaluation at x [B,C,H,W], t [B] to the full one, and the scores."""
        scores = logits.sigmoid()
        with torch.no_grad():
            teacher = self.denoiser(x, t, labels)
        student = interpolate(self.denoiser, x, t, labels, kept, straight_through(scores, self.recipe.threshold))
        return squared_error(self.denoiser, teacher, student).mean(), scores


def train_router(
    denoiser: Denoiser, sampler: Sampler, latents: Tensor, labels: Tensor, recipe: RouterRecipe, out: Path
) -> dict[str, Any]:
    """Train a router on data latents [N,C,H,W], labels [N], store it with its card in `out` and return the card.

    Resumes an interrupted run of the same recipe from the checkpoint beside `out`. Raises InputError where the sampler
    leaves nothing to cache, the checkpoint is another run's, or `out` cannot be written.
    """
    loss = RouterLoss(denoiser, sampler, latents, labels, recipe)
    logits = RouterLogits(loss.pairs, denoiser.num_branches, recipe.seed)
    checkpoint = out.with_name(out.name + ".checkpoint")
    trainer = Trainer(logits, loss, recipe, checkpoint)
    trained = trainer.run()
    assert isinstance(trained, RouterLogits)
    trained.clamp()
    rows = {pair.row: row for pair, row in zip(loss.pairs, trained.rows, strict=True)}
    card = describe(denoiser, sampler, recipe, trainer.progress, rows)
    write_router(out, rows, card)
    checkpoint.unlink(missing_ok=True)
    return card


def describe(
    denoiser: Denoiser, sampler: Sampler, recipe: RouterRecipe, progress: Progress, rows: dict[int, Tensor]
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
        "images": recipe.steps * recipe.batch,
        "recipe": {k: v for k, v in vars(recipe).items() if v != INFINITE},
        "loss": [[step, float(f"{value:.4g}")] for step, value in progress.losses],
    }
