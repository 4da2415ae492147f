"""Populations with classes whose truth is known, because samples are drawn from them and from nothing else.

A population holds features of several settings, row by row from the same seeds, and the class of every row. A sample
set takes each class in turn, as balanced labels do, and draws its rows with replacement; so the population is the
distribution, and its moments are the truth. Synthetic ones have Gaussian classes of unequal spread; the real one is
sampled anew from a shipped denoiser.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.quality.metrics.frechet import Moments, Target
from bench.quality.metrics.kernel_distance import cubic, off_diagonal

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
SEED = 10**6  # of the real population's first sample: no suite's seeds
BATCH = 64
REAL = (("dpm-solver++", 10), ("dpm-solver++", 8), ("ddim", 15), ("ddim", 10))


@dataclass(frozen=True)
class Population:
    """`settings` features [N,d] by name, of the same N seeds; `classes` [N] holds every class equally often."""

    name: str
    settings: dict[str, Array]
    classes: Indices
    target: Target
    real: Array  # features [M,d] of the reference, for kernels

    @property
    def count(self) -> int:
        """Of classes."""
        return int(self.classes.max()) + 1

    def draw(self, samples: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        """Rows [samples] of a sample set, and their labels: sample i is of class i mod C."""
        labels = np.arange(samples) % self.count
        each = len(self.classes) // self.count
        members = np.argsort(self.classes, kind="stable").reshape(self.count, each)
        return members[labels, rng.integers(0, each, samples)], labels

    def distance(self, setting: str) -> float:
        """The true Fréchet distance of a setting."""
        x = self.settings[setting]
        mean = x.mean(axis=0)
        return self.target.distance_of(Moments(mean, (x - mean).T @ (x - mean) / len(x)))

    def kernel(self, setting: str) -> float:
        """The true MMD² of a setting against the given reference, whose own part is the unbiased one."""
        x, y = self.settings[setting], self.real
        within_y = off_diagonal(cubic(y, y)).sum() / (len(y) * (len(y) - 1))
        return float(cubic(x, x).mean() + within_y - 2 * cubic(x, y).mean())


def synthetic(
    classes: int,
    dimensions: int = 32,
    each: int = 400,
    settings: int = 4,
    step: float = 0.12,
    turn: float = 0.2,
    seed: int = 0,
) -> Population:
    """Gaussian classes some three of their widths apart; setting k is off by a little more than setting k - 1."""
    rng = np.random.default_rng([seed, classes, dimensions])
    scale = 1 / np.sqrt(1 + np.arange(dimensions))
    centres = 3 * scale * rng.normal(size=(classes, dimensions))
    widths = rng.uniform(0.6, 1.4, size=(classes, 1))
    labels = np.repeat(np.arange(classes), each)
    noise = rng.normal(size=(len(labels), dimensions))
    real = centres[labels] + widths[labels] * scale * rng.normal(size=noise.shape)
    shift = 0.15 * scale * rng.normal(size=dimensions)
    pools = {}
    for k in range(settings):
        off, own = 1 + step * k, rng.normal(size=noise.shape)
        mixed = np.cos(turn * (k > 0)) * noise + np.sin(turn * (k > 0)) * own  # the same seeds, and a part of its own
        pools[f"setting {k}"] = centres[labels] + off * shift + 1.06**off * widths[labels] * scale * mixed
    return Population(f"{classes} Gaussian classes", pools, labels, Target.of(real), real[:: max(1, len(real) // 1000)])


def sampled(model: str = "dit-mnist", samples: int = 2048, sets: tuple[tuple[str, int], ...] = REAL) -> Population:
    """Features of `samples` new samples of a shipped denoiser at few steps, against its own reference."""
    import torch

    import methods
    import models
    from bench.quality import extractors
    from bench.quality.features import reference_sets
    from bench.sampling import balanced_labels, sample, seeded_noise

    spec, denoiser = models.spec(model), models.build(model)
    samples -= samples % spec.num_classes
    extractor = extractors.build(str(spec.features))
    reference = reference_sets.load(str(spec.reference), features=extractor.name)
    pools: dict[str, list[Array]] = {}
    for start in range(0, samples, BATCH):
        indices = range(start, min(start + BATCH, samples))
        noise, labels = seeded_noise(indices, denoiser.latent_shape, SEED), balanced_labels(indices, spec.num_classes)
        for name, steps in sets:
            latents = sample(denoiser, methods.build(name, steps=steps), noise=noise, labels=labels,
                             guidance_scale=spec.guidance_scale, guidance_channels=spec.guidance_channels)  # fmt: skip
            with torch.inference_mode():
                pool = extractor.extract(spec.decode(latents))["pool"]
            pools.setdefault(f"{name}-{steps}", []).append(pool.double().numpy())
    assert reference.features is not None
    return Population(model, {name: np.concatenate(parts) for name, parts in pools.items()},
                      np.arange(samples) % spec.num_classes, Target(reference.pool),
                      reference.features[:: len(reference.features) // 1000].double().numpy())  # fmt: skip


def stored(folder: Path, suite: str = "small") -> tuple[Population, Array]:
    """Kept features FOLDER/<setting>/*.npz (`pool`) of a suite's settings, and log latencies as their MACs are."""
    import models
    from bench.cost.plan_cost import plan_macs
    from bench.quality.features import reference_sets
    from bench.sampling import make_plan
    from bench.suite import file

    cells = file.load(suite).cells
    spec, denoiser = models.spec(cells[0].model), models.build(cells[0].model)
    reference = reference_sets.load(str(spec.reference), features=str(spec.features))
    pools = {c.slug: [np.load(path)["pool"] for path in sorted((folder / c.slug).glob("*.npz"))] for c in cells}
    count = min(len(parts) for parts in pools.values())
    whole = {slug: np.concatenate(parts[:count]).astype(np.float64) for slug, parts in pools.items()}
    rows = len(whole[cells[0].slug]) // spec.num_classes * spec.num_classes
    plans = [make_plan(denoiser, c.sampler.method, None if c.cache is None else c.cache.method) for c in cells]
    assert reference.features is not None
    population = Population(f"samples of {suite}", {slug: x[:rows] for slug, x in whole.items()},
                       np.arange(rows) % spec.num_classes, Target(reference.pool),
                       reference.features.double().numpy())  # fmt: skip
    return population, np.log([float(plan_macs(denoiser, plan)) for plan in plans])
