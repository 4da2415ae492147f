"""LazyDiT's training: a gate for every branch and evaluation, learned from each image's own input (arXiv 2412.12444).

At a random one of every other evaluation, those that L2C decides about, the student mixes what it computes with what
the evaluation before kept, image by image: s fresh + (1 - s) kept, s = sigmoid(Σ over tokens of w · z), z the branch's
normalised, modulated input. Only w has gradients, of

    mean (full evaluation - student)² + ρ · mean over images of Σ over branches of s.

So it stands in the published code (read at ab08f0d), which never trains the evaluations between: their gates stay zero
and compute. Its ρ may differ between attention and MLP; both are 1e-2 unless stated, and here they are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """Everything that a training run depends on. Steps and rate are the code's; the paper states a rate of 1e-4."""

    steps: int = 500
    learning_rate: float = 1e-2
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
    """As the routers' loss, with scores of the images' own."""

    def decided(self) -> list[Pair]:
        """The routers' pairs; rows count respaced steps for every denoiser."""
        last = len(self.sampler.evaluations(self.denoiser.noise_schedule)) - 1
        return [replace(pair, row=last - pair.cached) for pair in super().decided()]

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
    leaves nothing to cache, the checkpoint is another run's, or `out` cannot be written.
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
        evaluations = len(sampler.evaluations(denoiser.noise_schedule))
        write_trained(out, {KEY: weights(denoiser, evaluations, loss.pairs, trained)}, card)
        trainer.checkpoint.unlink(missing_ok=True)
    return card


def weights(denoiser: Denoiser, evaluations: int, pairs: Sequence[Pair], gates: LazyGates) -> Tensor:
    """[evaluations, blocks, 2, width] as the published files have it, but in half precision; zero where untrained."""
    width = gates.rows[0].shape[1]
    table = torch.zeros(evaluations, denoiser.num_blocks, 2, width, dtype=torch.float16)
    for pair, row in zip(pairs, gates.rows, strict=True):
        table[pair.row] = row.detach().cpu().view(denoiser.num_blocks, 2, width)
    return table
