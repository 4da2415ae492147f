"""How often intervals of a Fréchet distance hold the true value, in simulations where the truth is known.

`nice python -m bench.benchmarks.jackknife_coverage [OUT]` writes results/benchmarks/jackknife_coverage.json and the
plot docs/images/jackknife-coverage.svg; a few minutes on one core. A generator's features are Gaussian with a decaying
spectrum, the reference is another Gaussian with known moments, so the distance between the two has a closed form. Sets
of N features are drawn again and again; each gives every interval.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from bench.host.environment import environment
from bench.host.files import write_json
from bench.quality.metrics.frechet import Moments, Target
from bench.quality.metrics.frechet_uncertainty import SIZES, extrapolate
from bench.statistics.jackknife import GROUPS, jackknife, jackknife_groups, paired_difference, quantile

SETTINGS = ((16, 256), (16, 1024), (64, 512), (64, 2048), (128, 1024))  # dimensions, samples
REPEATS = 300
RESAMPLES = 100  # of the bootstrap, which is here to be seen failing
OUT = Path("results/benchmarks/jackknife_coverage.json")
PLOT = Path("docs/images/jackknife-coverage.svg")

Array = NDArray[np.float64]
Ends = tuple[float, float]


@dataclass(frozen=True)
class Generator:
    """x = μ + Az of noise z [N,d]: the same noise gives pairs, as shared seeds do."""

    mean: Array
    root: Array

    @property
    def moments(self) -> Moments:
        return Moments(self.mean, self.root @ self.root.T)

    def __call__(self, noise: Array) -> Array:
        return self.mean + noise @ self.root.T


def generators(dimensions: int, rng: np.random.Generator) -> tuple[Target, Generator, Generator]:
    """A reference, a generator that is some way off, and one that is a little farther off."""
    scale = 1 / np.sqrt(1 + np.arange(dimensions))
    rotation = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]
    root = rotation * scale
    off = np.eye(dimensions) + 0.3 * rng.normal(size=(dimensions, dimensions)) / dimensions**0.5
    shift = 0.1 * scale * rng.normal(size=dimensions)
    first = Generator(shift, root @ off)
    return Target(Moments(np.zeros(dimensions), root @ root.T)), first, Generator(1.3 * shift, 1.04 * root @ off)


def intervals(x: Array, target: Target, rng: np.random.Generator) -> tuple[dict[str, Ends], dict[str, float]]:
    """Every interval that one sample set [N,d] gives, and the point estimates."""
    groups = jackknife_groups(len(x))
    value = target.distance(x)
    estimate = jackknife(value, target.distances_without(x, groups), groups)
    half = quantile(GROUPS) * estimate.standard_error
    line = extrapolate(x, target, seed=int(rng.integers(2**31)))
    alone = quantile(SIZES - 1) * line.residual  # two parameters were fitted
    combined = quantile(GROUPS) * float(np.hypot(line.residual, estimate.standard_error))
    ends = {
        "jackknife around the bias-corrected value": (estimate.low, estimate.high),
        "jackknife around the plain value": (value - half, value + half),
        "percentile bootstrap": bootstrap(x, target, rng),
        "FID∞ with the error of its line": (line.value - alone, line.value + alone),
        "FID∞ with both errors": (line.value - combined, line.value + combined),
    }
    points = {"plain": value, "corrected": estimate.corrected, "infinity": line.value, "se": estimate.standard_error}
    return ends, points


def bootstrap(x: Array, target: Target, rng: np.random.Generator) -> Ends:
    picks = (x[rng.integers(0, len(x), len(x))] for _ in range(RESAMPLES))
    low, high = np.quantile([target.distance(pick) for pick in picks], [0.025, 0.975])
    return float(low), float(high)


def difference_intervals(a: Array, b: Array, target: Target) -> dict[str, Ends]:
    """Intervals of the difference of two methods that share seeds: plain, and of bias-corrected values."""
    groups = jackknife_groups(len(a))
    first, second = target.distance(a), target.distance(b)
    without_a, without_b = target.distances_without(a, groups), target.distances_without(b, groups)
    difference = paired_difference(without_a, without_b, (first, second))
    half = quantile(GROUPS) * difference.standard_error
    return {
        "difference of bias-corrected values": (difference.low, difference.high),
        "difference of plain values": (difference.value - half, difference.value + half),
    }


def study(dimensions: int, samples: int, repeats: int = REPEATS, seed: int = 0) -> dict[str, Any]:
    """Coverage of every interval at one setting, with what the point estimates do on average."""
    rng = np.random.default_rng([seed, dimensions, samples])
    target, first, second = generators(dimensions, rng)
    truth, farther = (target.distance_of(g.moments) for g in (first, second))
    hits: dict[str, list[bool]] = {}
    points: dict[str, list[float]] = {}
    for _ in range(repeats):
        noise = rng.normal(size=(samples, dimensions))
        ends, estimates = intervals(first(noise), target, rng)
        paired = difference_intervals(first(noise), second(noise), target)
        for name, (low, high) in (ends | paired).items():
            hits.setdefault(name, []).append(low <= (truth - farther if name in paired else truth) <= high)
        for name, value in estimates.items():
            points.setdefault(name, []).append(value)
    return {
        "dimensions": dimensions,
        "samples": samples,
        "repeats": repeats,
        "truth": truth,
        "true_difference": truth - farther,
        "mean": {name: float(np.mean(values)) for name, values in points.items()},
        "standard_deviation": {name: float(np.std(values, ddof=1)) for name, values in points.items()},
        "coverage": {name: share(covered) for name, covered in hits.items()},
    }


def share(hits: list[bool]) -> dict[str, float]:
    """The share that holds the truth, with its exact binomial 95 % interval (Clopper & Pearson 1934)."""
    n, k = len(hits), sum(hits)
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return {"share": k / n, "low": low, "high": high}


def run(say: Callable[[str], object]) -> dict[str, Any]:
    studies: list[dict[str, Any]] = []
    for dimensions, samples in SETTINGS:
        say(f"d = {dimensions}, N = {samples} ({len(studies) + 1} of {len(SETTINGS)})")
        studies.append(study(dimensions, samples))
    return {
        "study": "jackknife_coverage",
        "promised": 0.95,
        "groups": GROUPS,
        "quantile": quantile(GROUPS),
        "bootstrap_resamples": RESAMPLES,
        "settings": studies,
        "environment": environment(),
    }


def main(arguments: list[str]) -> None:
    from bench.benchmarks.coverage_plot import draw

    result = run(lambda text: print(text, file=sys.stderr, flush=True))
    write_json(Path(arguments[0]) if arguments else OUT, result)
    draw(result, PLOT)


if __name__ == "__main__":
    main(sys.argv[1:])
