"""HarmoniCa's training: whole trajectories, whose next input is the cached denoiser's (arXiv 2410.01723, section 4).

From pure noise, without images. At every evaluation k but the first the frozen denoiser is the teacher; the student
mixes fresh and kept branch outputs by its scores s_k, and makes the next x. Row k is moved at once by

    loss_k = λ_k · mean (teacher - student)² + β · Σ s_k

with λ_k the mean squared change of the final latents when row k is switched on in addition to the rows before it. As
in the published code (5d7f78d), except that its noise repeats after each refresh of λ and ours does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.train.loop import Loop
from bench.train.recipe import INFINITE, Recipe
from bench.train.router.objective import LIMIT
from bench.train.router.training import Scale, cost, made_for
from bench.train.router.trajectory import Slots, Trajectory, importance
from methods.method import Sampler
from methods.routing.file import write_router
from models.denoiser import Denoiser
from models.errors import InputError
from models.uvit import UViT

Seen = Callable[[int, Tensor, Tensor, Tensor], object]  # evaluation, x, teacher, student


@dataclass
class HarmonicaRecipe(Recipe):
    """Everything that a training run depends on. A step is a trajectory, in which every row but the first moves once.

    The published code's run for 10 evaluations has a learning rate of 0.01 and 20,000 updates, which are 2,222 steps.
    """

    steps: int = 200
    batch: int = 8
    learning_rate: float = 0.05
    decay: str = "constant"
    warmup: int = 1
    ema_decay: float = 0.0
    clip_norm: float = INFINITE
    l1: float = 0.0  # β
    threshold: float = 0.1  # a slot is overwritten where the score is above it
    refresh: int = 50  # trajectories between measurements of λ
    guidance_scale: float = 1.0
    guidance_channels: int | None = None
    model: str = ""
    weights: str = ""  # SHA-256 of the denoiser's weights
    sampler: str = ""


class HarmonicaLogits(nn.Module):
    """One row of logits [branches] an evaluation, the first fixed: nothing is kept before it. λ [evaluations]."""

    def __init__(self, evaluations: int, branches: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.rows = nn.ParameterList(torch.randn(branches, generator=generator) for _ in range(evaluations))
        self.rows[0] = nn.Parameter(torch.full((branches,), LIMIT), requires_grad=False)
        self.register_buffer("weights", torch.zeros(evaluations, dtype=torch.float64))

    @torch.no_grad()
    def clamp(self) -> None:
        for row in self.rows:
            row.clamp_(-LIMIT, LIMIT)


class HarmonicaTrainer(Loop):
    """Every step of the loop is a trajectory, which moves each row once; a run resumes between trajectories."""

    model: HarmonicaLogits
    recipe: HarmonicaRecipe

    def __init__(
        self,
        denoiser: Denoiser,
        sampler: Sampler,
        logits: HarmonicaLogits,
        recipe: HarmonicaRecipe,
        checkpoint: Path,
        scale: Scale,
    ) -> None:
        self.denoiser, self.sampler = denoiser, sampler
        super().__init__(logits, recipe, checkpoint, scale.world)

    def move(self) -> Tensor:
        """One trajectory; returns the mean loss of its evaluations [], on the device."""
        stale = self.measure() if self.progress.step % self.recipe.refresh == 0 else None
        noise, trajectory = self.draw()
        trajectory.slots = stale or trajectory.slots
        return self.follow(trajectory, noise)

    def draw(self) -> tuple[Tensor, Trajectory]:
        """Noise [B,C,H,W] and a way to begin from it, of this process's part of the batch."""
        generator, device = self.streams.own[0], self.world.device
        count = self.recipe.batch // self.recipe.parts
        noise = torch.randn(count, *self.denoiser.latent_shape, generator=generator).to(device)
        labels = torch.randint(self.denoiser.null_label, (count,), generator=generator).to(device)
        recipe = self.recipe
        guidance = recipe.guidance_scale, recipe.guidance_channels
        return noise, Trajectory(self.denoiser, self.sampler, labels, recipe.threshold, *guidance)

    def measure(self) -> Slots:
        """λ anew, from a batch of its own; what its last trajectory kept."""
        noise, trajectory = self.draw()
        weights, slots = importance(lambda: replace(trajectory), noise, [row.detach() for row in self.model.rows])
        weights = weights.to(self.world.device)
        self.world.average([weights])
        self.model.weights.copy_(weights)
        return slots

    def follow(self, trajectory: Trajectory, noise: Tensor, seen: Seen | None = None) -> Tensor:
        """Move every row but the first along one trajectory. `seen` hears of each update: (k, x, teacher, student)."""
        losses: list[Tensor] = []

        def step(k: int, x: Tensor) -> Tensor:
            row = self.model.rows[k]
            if k == 0:
                with torch.no_grad():
                    return trajectory.student(k, x, row.sigmoid())
            with torch.no_grad():
                teacher = trajectory.teacher(k, x)
            scores = row.sigmoid()
            student = trajectory.student(k, x, scores)
            error = (teacher - student).square().mean()
            loss = float(self.model.weights[k]) * error + self.recipe.l1 * scores.sum()
            self.update(loss, row)
            losses.append(loss.detach())
            if seen is not None:
                seen(k, x, teacher, student)
            return student

        trajectory.run(noise, step)
        return torch.stack(losses).mean()

    def update(self, loss: Tensor, row: nn.Parameter) -> None:
        """One step of AdamW, which leaves rows without a gradient alone; logits stay within ±LIMIT."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        assert row.grad is not None
        self.world.average([row.grad])
        nn.utils.clip_grad_norm_([row], self.recipe.clip_norm)
        self.optimizer.step()
        self.model.clamp()


def train_harmonica(
    denoiser: Denoiser, sampler: Sampler, recipe: HarmonicaRecipe, out: Path, scale: Scale | None = None
) -> dict[str, Any]:
    """Train a router along trajectories, store it with its card in `out` and return the card.

    Resumes an interrupted run of the same recipe from the checkpoint beside `out`. Raises InputError where the sampler
    draws noise of its own or makes one evaluation, the checkpoint is another run's, or `out` cannot be written.
    """
    scale = scale or Scale()
    evaluations = sampler.evaluations(denoiser.noise_schedule)
    if len(evaluations) < 2:
        raise InputError(f"{sampler.name}: too few evaluations, a router would have nothing to decide")
    checkpoint = out.with_name(out.name + ".checkpoint")
    logits = HarmonicaLogits(len(evaluations), denoiser.num_branches, recipe.seed)
    trainer = HarmonicaTrainer(denoiser, sampler, logits, recipe, checkpoint, scale)
    trained = trainer.run(scale.save_every_s)
    assert isinstance(trained, HarmonicaLogits)
    rows = [row.detach().cpu() for row in trained.rows]
    card = describe(trainer, rows)
    if scale.world.leads:
        # rows of the file are respaced steps, the last the first evaluation's; on U-ViT evaluations as they run
        ordered = rows if isinstance(denoiser, UViT) else rows[::-1]
        write_router(out, dict(enumerate(ordered)), card)
        checkpoint.unlink(missing_ok=True)
    return card


def describe(trainer: HarmonicaTrainer, rows: list[Tensor]) -> dict[str, Any]:
    """The card: what was trained, for how long, and what it decides at its threshold."""
    recipe = trainer.recipe
    kept = [int((row.sigmoid() > recipe.threshold).sum()) for row in rows[1:]]
    return {
        "method": "harmonica",
        **made_for(trainer.denoiser, trainer.sampler),
        "l1": recipe.l1,
        "rows": len(rows),
        "threshold": recipe.threshold,
        "kept": {str(k): count for k, count in enumerate(kept, start=1)},  # by evaluation
        "removed": 1 - sum(kept) / (len(kept) * trainer.denoiser.num_branches),
        "importance": [float(f"{value:.4g}") for value in trainer.model.weights],
        **cost(recipe, trainer.progress, trainer.world),
    }
