"""Fréchet distance between two Gaussians, in float64, exact also when they are singular.

d² = |μ₁ - μ₂|² + Tr Σ₁ + Tr Σ₂ - 2 Tr (Σ₁Σ₂)^½      (Dowson & Landau 1982; Heusel et al. 2017)

The trace of the root comes from symmetric problems only, so it never turns complex: with Σ₂ = FFᵀ it is
Tr (FᵀΣ₁F)^½, the sum of the roots of that matrix's eigenvalues. With C = X₁F/√(n-1) for centred samples X₁ [n,d] it is
also Tr (CCᵀ)^½, an n×n problem, the smaller one when there are fewer samples than dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.quality.images.checks import require_finite
from bench.quality.metrics.covariance_factor import Factor, covariance_factor
from bench.statistics.replicates import Replicates
from models.errors import InputError

ROWS = 4096  # of features converted to float64 at a time: memory does not grow with the number of samples
ASYMMETRY = 1e-4  # of the largest entry: a covariance that was computed in float32 stays below it

Array = NDArray[np.float64]
Features = NDArray[np.floating]


@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d,d] (ddof 1), kept in float64.

    Raises InputError when shapes do not fit, a number is not finite, or the covariance is not symmetric.
    """

    mean: Array
    covariance: Array

    def __post_init__(self) -> None:
        mean, covariance = (np.asarray(a, dtype=np.float64) for a in (self.mean, self.covariance))
        if mean.ndim != 1 or not mean.size or covariance.shape != (mean.size, mean.size):
            raise InputError(
                f"moments must have shapes [d] and [d, d], got {list(mean.shape)} and {list(covariance.shape)}"
            )
        for what, array in (("mean", mean), ("covariance", covariance)):
            if not np.isfinite(array).all():
                raise InputError(f"moments: NaN or infinity in the {what}")
        if np.abs(covariance - covariance.T).max() > ASYMMETRY * np.abs(covariance).max():
            raise InputError("moments: the covariance is not symmetric")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", (covariance + covariance.T) / 2)

    @property
    def dimensions(self) -> int:
        """d, the length of one feature vector."""
        return len(self.mean)


def moments(features: Features) -> Moments:
    """Mean and covariance of features [N,d], computed in float64. Raises InputError when N < 2."""
    x = as_features(features)
    mean = x.mean(axis=0, dtype=np.float64)
    return Moments(mean, scatter(x, mean) / (len(x) - 1))


def frechet_distance(samples: Features, reference: Features) -> float:
    """Fréchet distance between features [N,d] and [M,d]; raises InputError when N or M is below 2."""
    return Target.of(reference).distance(samples)


@dataclass(frozen=True)
class Target:
    """The Gaussian of a reference, factored once and compared with many sample sets.

    `features` [M,d] are what the moments came from, where they are kept: few of them are a factor themselves.
    """

    moments: Moments
    features: Features | None = None

    @classmethod
    def of(cls, features: Features) -> Target:
        return cls(moments(features), as_features(features))

    @cached_property
    def factor(self) -> Factor:
        """F with Σ = FFᵀ, kept after its first use."""
        x = self.features
        if x is not None and len(x) <= self.moments.dimensions:  # Σ = XᵀX / (M-1), exactly, though singular
            return Factor((x - self.moments.mean).T / np.sqrt(len(x) - 1))
        return covariance_factor(self.moments.covariance)

    def distance(self, samples: Features) -> float:
        """Fréchet distance of samples [N,d]. Raises InputError when N < 2 or d differs."""
        x = self._checked(samples)
        if len(x) > self.factor.rank:
            return self.distance_of(moments(x))
        mean = x.mean(axis=0, dtype=np.float64)
        centred = x - mean
        mapped = self.factor.rows(centred)
        count = len(x) - 1
        return self._assemble(mean, float((centred**2).sum()) / count, root_trace(mapped @ mapped.T / count))

    def distance_of(self, samples: Moments) -> float:
        """Fréchet distance of a Gaussian with these moments. Raises InputError when d differs."""
        self._check_dimensions(samples.dimensions)
        root = root_trace(self.factor.inner(samples.covariance))
        return self._assemble(samples.mean, float(np.trace(samples.covariance)), root)

    def distances_without(
        self, samples: Features, groups: NDArray[np.integer], classes: NDArray[np.integer] | None = None
    ) -> Array:
        """Distances [G] of the samples [N,d] that remain when group g = 0…G-1 of `groups` [N] is left out.

        With `classes` [N] what remains is weighted to the class shares of the whole (bench.statistics.replicates).
        Each group's part is taken from sums over all samples, so that a distance costs little more than its
        eigenvalues. Raises InputError like `distance`.
        """
        x = self._checked(samples)
        replicates = Replicates.of(np.asarray(groups), classes)
        mean = x.mean(axis=0, dtype=np.float64)
        norms = np.concatenate([(part**2).sum(axis=1) for part in centred_parts(x, mean)])
        shifts = shifts_without(x, mean, replicates)
        roots = self._roots_of_few if len(x) <= self.factor.rank else self._roots_of_many
        distances = []
        for g, root in enumerate(roots(x, mean, replicates, shifts)):
            weights = replicates.weights(g)
            trace = (weights @ norms - shifts[g] @ shifts[g]) / freedom(weights)
            distances.append(self._assemble(mean + shifts[g], float(trace), root))
        return np.array(distances)

    def _roots_of_few(self, x: Features, mean: Array, replicates: Replicates, shifts: Array) -> Iterator[float]:
        """Tr (CCᵀ)^½ of every replicate: rows and columns of one Gram matrix, centred again and weighted."""
        mapped = self.factor.rows(x - mean)
        gram = mapped @ mapped.T
        for g in range(len(shifts)):
            weights = replicates.weights(g)
            there = weights > 0
            w, rest = weights[there], gram[np.ix_(there, there)]
            across = rest @ w  # ⟨row, weighted mean⟩
            centred = rest - across - across[:, None] + w @ across
            yield root_trace(np.sqrt(np.outer(w, w)) * centred / freedom(w))

    def _roots_of_many(self, x: Features, mean: Array, replicates: Replicates, shifts: Array) -> Iterator[float]:
        """Tr (FᵀΣF)^½ of every replicate: the strata's scatters as they weigh in it, less the group's own."""
        totals, mix = stratum_totals(x, mean, replicates, self.factor.inner)
        for g, shift in enumerate(shifts):
            dropped = np.sqrt(replicates.dropped(g))[:, None] * (x[replicates.groups == g] - mean)
            part, moved = self.factor.rows(dropped), self.factor.rows(shift[None])
            total = np.tensordot(mix[g], totals, axes=1)
            yield root_trace((total - part.T @ part - moved.T @ moved) / freedom(replicates.weights(g)))

    def _assemble(self, mean: Array, trace: float, root: float) -> float:
        gap = mean - self.moments.mean  # [d]
        # |μ₁ - μ₂|² + Tr Σ₁ + Tr Σ₂ - 2 Tr (Σ₁Σ₂)^½
        distance = float(gap @ gap) + trace + float(np.trace(self.moments.covariance)) - 2 * root
        return max(distance, 0.0)  # it is a square: anything below zero is rounding

    def _checked(self, samples: Features) -> Features:
        x = as_features(samples)
        self._check_dimensions(x.shape[1])
        return x

    def _check_dimensions(self, dimensions: int) -> None:
        if dimensions != self.moments.dimensions:
            raise InputError(f"features have {dimensions} dimensions, the reference has {self.moments.dimensions}")


def root_trace(symmetric: Array) -> float:
    """Tr A^½ of a positive semidefinite A, of which the lower triangle is read; eigenvalues below zero are rounding."""
    return float(np.sqrt(np.linalg.eigvalsh(symmetric).clip(min=0)).sum())


def stratum_totals(
    x: Features, mean: Array, replicates: Replicates, inner: Callable[[Array], Array] = lambda scatter: scatter
) -> tuple[Array, Array]:
    """Scatters [B,r,r] as `inner` maps them, and their weights [G,B] in every replicate.

    Of each stratum; mixed for each replicate already where those are fewer.
    """
    groups, count = replicates.kept.shape
    mix = replicates.kept.T if count > groups else np.eye(count)  # [K,B]
    totals: list[Array | float] = [0.0] * mix.shape[1]
    for k in range(count):
        mapped = inner(scatter(x[replicates.stratum == k] if count > 1 else x, mean))
        for b in np.flatnonzero(mix[k]):
            totals[b] = totals[b] + mix[k, b] * mapped
    return np.stack(totals), np.eye(groups) if count > groups else replicates.kept


def shifts_without(x: Features, mean: Array, replicates: Replicates) -> Array:
    """Weighted mean of every replicate less that of all samples, [G,d]."""
    sums = np.zeros((replicates.kept.shape[1], x.shape[1]))
    for start in range(0, len(x), ROWS):
        np.add.at(sums, replicates.stratum[start : start + ROWS], x[start : start + ROWS] - mean)
    shifts = replicates.kept @ sums
    for g in range(len(shifts)):
        shifts[g] -= replicates.dropped(g) @ (x[replicates.groups == g] - mean)
    return shifts


def freedom(weights: Array) -> float:
    """1 - Σw² of weights that sum to 1: divides a weighted scatter; (n - 1)/n for n equal ones."""
    return 1 - float(weights @ weights)


def scatter(x: Features, mean: Array) -> Array:
    """Σ (x - mean)(x - mean)ᵀ over rows x [N,d], in float64."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for part in centred_parts(x, mean):
        total += part.T @ part
    return total


def centred_parts(x: Features, mean: Array) -> Iterator[Array]:
    for start in range(0, len(x), ROWS):
        yield x[start : start + ROWS] - mean


def as_features(features: Features) -> Features:
    """Features [N,d], N >= 2, as float32 or float64. Raises InputError, also where one is not finite."""
    x = np.asarray(features)
    if x.ndim != 2 or not x.shape[1]:
        raise InputError(f"features must have shape [N, d], got {list(x.shape)}")
    if len(x) < 2:
        raise InputError(f"the Fréchet distance needs at least 2 samples, got {len(x)}")
    require_finite("features", x)
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)
