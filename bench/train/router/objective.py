"""What a router is trained by: mean squared error to the full evaluation plus λ times the scores (arXiv 2406.01733)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.train.denoiser import Data, drop_labels
from bench.train.recipe import INFINITE, Recipe
from bench.train.router.interpolation import interpolate, squared_error, straight_through
from bench.train.router.pairs import Pair, pairs, reach, timestep
from methods.method import Sampler
from models.denoiser import Denoiser
from models.errors import InputError

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
    interval: int = 2  # one evaluation in so many is full
    threshold: float | None = None  # decide by it while training, straight through; None: interpolate
    model: str = ""
    weights: str = ""  # SHA-256 of the denoiser's weights
    sampler: str = ""


class RouterLogits(nn.Module):
    """One row of logits [branches] a pair. Each is a parameter of its own, so that AdamW leaves unused rows alone."""

    def __init__(self, pairs: Sequence[Pair], branches: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.rows = nn.ParameterList(torch.randn(branches, generator=generator) for _ in pairs)
        self.register_buffer("visits", torch.zeros(len(pairs)))

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
        self.pairs = self.decided()
        if not self.pairs:
            raise InputError(f"{self.sampler.name}: too few evaluations, a router would have nothing to decide")

    def decided(self) -> list[Pair]:
        """The evaluations that are decided about, each with the one that it reuses."""
        return pairs(self.denoiser, self.sampler, self.recipe.interval)

    @torch.no_grad()
    def scores(self, logits: RouterLogits) -> Tensor:
        """Scores [evaluations,branches] on the host, NaN where the evaluation is always computed whole."""
        probabilities = torch.full(
            (len(self.sampler.evaluations(self.denoiser.noise_schedule)), len(logits.rows[0])), torch.nan
        )
        for pair, row in zip(self.pairs, logits.rows, strict=True):
            probabilities[pair.cached] = row.clamp(-LIMIT, LIMIT).sigmoid().cpu()
        return probabilities

    def title(self, step: int) -> str:
        """Of the picture, after that many steps of the optimiser."""
        name = f"{self.denoiser.name} {self.sampler.label}".strip()
        return f"{name}, λ = {self.recipe.l1:g}, step {step:,} of {self.recipe.steps:,}"

    def choose(self, logits: RouterLogits, generator: torch.Generator) -> None:
        """The pair of the next step, for all parts of its batch."""
        logits.clamp()
        self.number = logits.next_pair(generator)

    def __call__(self, logits: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(logits, RouterLogits)
        row, pair = logits.rows[self.number], self.pairs[self.number]
        clean, labels = self.data.draw(self.recipe.batch // self.recipe.parts, generator)
        labels = drop_labels(labels, self.denoiser, self.recipe.label_dropout, generator)
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
