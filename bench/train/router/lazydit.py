"""LazyDiT's training: a gate for every branch and evaluation, learned from each image's own input (arXiv 2412.12444).

At a random evaluation but the first the student mixes what it computes with what the evaluation before kept, image by
image: s fresh + (1 - s) kept, s = sigmoid(Σ over tokens of w · z), z the branch's normalised, modulated input. Only w
has gradients, of

    mean (full evaluation - student)² + ρ · mean over images of Σ over branches of s.

The paper minimises the diffusion loss instead of the distance to the full evaluation. For a denoiser that predicts the
mean of the noise both have the same gradient in expectation; this one is without the noise's own spread, which a few
hundred steps would not average out. No recorded run of the published training is known, so it is held to the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.train.blocks import evaluate
from bench.train.denoiser import Data
from bench.train.router.interpolation import squared_error
from bench.train.router.objective import RouterLogits, RouterLoss, RouterRecipe
from bench.train.router.pairs import Pair
from bench.train.router.training import RouterTrainer, Scale, cost, made_for
from methods.lazydit import KEY
from methods.method import Sampler
from methods.routing.file import write_trained
from models.denoiser import Denoiser

THRESHOLD = 0.5  # both of the method's own, by which the card counts


@dataclass
class LazyRecipe(RouterRecipe):
    """Everything that a training run depends on; the published steps and learning rate, constant."""

    steps: int = 500
    learning_rate: float = 1e-4
    decay: str = "constant"


class LazyGates(RouterLogits):
    """One row of w [branches,width] a pair, all zero at first: every score is 0.5, at which a branch is computed.

    `laziness` [pairs]: the share of branches below the threshold when the row was last visited.
    """

    def __init__(self, pairs: Sequence[Pair], branches: int, width: int) -> None:
        nn.Module.__init__(self)
        self.rows = nn.ParameterList(torch.zeros(branches, width) for _ in pairs)
        self.register_buffer("visits", torch.zeros(len(pairs)))
        self.register_buffer("laziness", torch.zeros(len(pairs)))

    def clamp(self) -> None:
        """Gates are not bounded."""


class LazyLoss(RouterLoss):
    """As the routers' loss, at every evaluation but the first, with scores of the images' own."""

    def decided(self) -> list[Pair]:
        """Every evaluation but the first, with the one before it; rows count respaced steps."""
        found = self.sampler.evaluations(self.denoiser.noise_schedule)
        return [Pair(k - 1 - found[k - 1].stage, k - 1, k, len(found) - 1 - k) for k in range(1, len(found))]

    def parts(self, x: Tensor, t: Tensor, labels: Tensor, kept: list[Tensor], gates: Tensor) -> tuple[Tensor, Tensor]:
        """Mean error of the mixed evaluation at x [B,C,H,W], t [B] to the full one, and the mean scores [branches]."""
        scores: list[Tensor] = []

        def branch(index: int, h: Tensor, c: Tensor | None) -> Tensor:
            z = self.denoiser.branch_input(index, h, c)  # [B,T,D]
            scores.append((z @ gates[index]).sum(dim=1).sigmoid())  # [B]
            fresh = self.denoiser.layer(index)(z)
            return kept[index] + scores[-1].view(-1, 1, 1) * (fresh - kept[index])

        with torch.no_grad():
            teacher = self.denoiser(x, t, labels)
        student = evaluate(self.denoiser, x, t, labels, branch)
        found = torch.stack(scores)  # [branches,B]
        self.lazy = (found.detach() < THRESHOLD).float().mean()
        return squared_error(self.denoiser, teacher, student).mean(), found.mean(dim=1)

    def __call__(self, logits: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(logits, LazyGates)
        loss = super().__call__(logits, generator)
        logits.laziness[self.number] = self.lazy
        return loss


def train_lazydit(
    denoiser: Denoiser, sampler: Sampler, data: Data, recipe: LazyRecipe, out: Path, scale: Scale | None = None
) -> dict[str, Any]:
    """Train gates on data latents, store them with their card in `out` and return the card.

    Resumes an interrupted run of the same recipe from the checkpoint beside `out`. Raises InputError where the sampler
    makes one evaluation, the checkpoint is another run's, or `out` cannot be written.
    """
    scale = scale or Scale()
    loss = LazyLoss(denoiser, sampler, data, recipe)
    gates = LazyGates(loss.pairs, denoiser.num_branches, denoiser.token_shape()[1])
    trainer = RouterTrainer(gates, loss, recipe, out.with_name(out.name + ".checkpoint"), scale.world)
    trained = trainer.run(scale.save_every_s)
    assert isinstance(trained, LazyGates)
    card = {
        "method": "lazydit",
        **made_for(denoiser, sampler),
        "l1": recipe.l1,  # ρ
        "removed": float(trained.laziness.mean()),  # of the branches of the training images, at the last visit
        **cost(recipe, trainer.progress, scale.world),
    }
    if scale.world.leads:
        write_trained(out, {KEY: weights(denoiser, loss.pairs, trained)}, card)
        trainer.checkpoint.unlink(missing_ok=True)
    return card


def weights(denoiser: Denoiser, pairs: Sequence[Pair], gates: LazyGates) -> Tensor:
    """[evaluations, blocks, 2, width] as the published files have it: the first evaluation's row, the last, is zero."""
    width = gates.rows[0].shape[1]
    table = torch.zeros(len(pairs) + 1, denoiser.num_blocks, 2, width)
    for pair, row in zip(pairs, gates.rows, strict=True):
        table[pair.row] = row.detach().cpu().view(denoiser.num_blocks, 2, width)
    return table
