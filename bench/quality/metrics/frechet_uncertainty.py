"""What a Fréchet distance from finitely many samples says about the generator: error, bias, extrapolation, spread.

The plain value lies above the distance of the generator itself by about 1/N, at any N that is affordable by more than
its own error. So its interval is centred on the bias-corrected value: docs/uncertainty.md has the coverage of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.quality.metrics.frechet import Features, Target
from bench.statistics.jackknife import Groups, jackknife

SIZES = 15  # of the subsets that FID∞ extrapolates from (Chong & Forsyth 2020)
MIN_SHARE = 10  # the smallest holds N / 10 samples: 5000 of 50,000, as theirs …
ENOUGH = 2  # … and twice as many as dimensions, where half of the samples are: below, the bias bends away from 1/N
RANGES = 4  # disjoint ranges of seeds whose spread is shown
SEED = 2020

Labels = NDArray[np.integer]


def frechet_with_error(
    name: str, samples: Features, target: Target, groups: Groups, classes: Labels | None = None
) -> dict[str, Any]:
    """`<name>` of samples [N,d] with its jackknife replicates and standard error.

    `<name>_corrected` is the value without its bias, and the 95 % interval is that value's: `<name>_corrected_low` and
    `_high`. With `classes` [N] every replicate keeps the class shares of the whole.
    """
    value = target.distance(samples)
    replicates = target.distances_without(samples, groups, classes)
    estimate = jackknife(value, replicates, groups)
    return {
        name: value,
        f"{name}_se": estimate.standard_error,
        f"{name}_corrected": estimate.corrected,
        f"{name}_corrected_low": estimate.low,
        f"{name}_corrected_high": estimate.high,
        f"{name}_jackknife": replicates.tolist(),
    }


@dataclass(frozen=True)
class Extrapolation:
    """The line distance = value + slope / N through subsets of several sizes; `residual` is the error of its fit."""

    value: float
    slope: float
    residual: float


def extrapolate(samples: Features, target: Target, labels: Labels | None = None, seed: int = SEED) -> Extrapolation:
    """FID∞ (Chong & Forsyth 2020): the distance at 1/N = 0 of a line through 15 subset sizes from N/10 to N.

    Subsets are drawn without replacement by a generator of their own, each class in its proportion where labels [N]
    are given: drawn freely they would vary more than balanced samples do, and the line would be too steep.
    """
    rng = np.random.default_rng(seed)
    count, dimensions = samples.shape
    smallest = max(count // MIN_SHARE, min(ENOUGH * dimensions, count // 2))
    sizes = np.linspace(smallest, count, SIZES).astype(int)
    distances = [target.distance(samples[np.sort(balanced_order(count, labels, rng)[:n])]) for n in sizes]
    design = np.stack([np.ones(SIZES), 1 / sizes], axis=1)  # [15,2]: value and slope in 1/N
    line, squares, *_ = np.linalg.lstsq(design, np.array(distances), rcond=None)
    # Of the intercept, by least squares: s² (AᵀA)⁻¹[0,0] with s² the residuals' over SIZES - 2.
    variance = float(squares.sum()) / (SIZES - 2) * np.linalg.inv(design.T @ design)[0, 0]
    return Extrapolation(float(line[0]), float(line[1]), float(np.sqrt(variance)))


def balanced_order(samples: int, labels: Labels | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random order of indices whose every beginning holds the classes of labels [N] in nearly their proportions."""
    shuffled = rng.permutation(samples)
    if labels is None:
        return shuffled
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(samples) - np.repeat(np.cumsum(counts) - counts, counts)
    place = (rank + rng.random(samples)) / np.repeat(counts, counts)  # spread evenly over the order
    return by_class[np.argsort(place)]


def spread(samples: Features, target: Target, ranges: int = RANGES) -> dict[str, Any]:
    """`fd_spread`: standard deviation of the distances of disjoint, consecutive ranges of seeds, each of N/`ranges`.

    Read it at that smaller count: the mean of the ranges has that count's larger bias.
    """
    size = len(samples) // ranges
    distances = [target.distance(samples[i * size : (i + 1) * size]) for i in range(ranges)]
    return {"fd_spread": float(np.std(distances, ddof=1)), "fd_ranges": distances, "fd_range_samples": size}
