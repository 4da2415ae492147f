"""Fréchet distance between the Gaussians of two feature sets, in float64, exact also when singular.

d² = |μ₁ - μ₂|² + Tr Σ₁ + Tr Σ₂ - 2 Tr (Σ₁Σ₂)^½      (Dowson & Landau 1982; Heusel et al. 2017)

The trace of the root is taken from symmetric problems only, so it never turns complex:
Tr (Σ₁Σ₂)^½ = Σ √λᵢ(FᵀΣ₁F) with Σ₂ = FFᵀ, and with both feature sets at hand it is also the nuclear
norm ‖X₁X₂ᵀ‖_* / √((n-1)(m-1)) of the centred features, which costs n·m instead of d² when d is large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Mean [d] and covariance [d,d] (ddof 1) of features, both float64."""

    mean: Array
    covariance: Array


def moments(features: NDArray[np.floating]) -> Moments:
    """Mean and covariance of features [N,d], computed in float64. Raises InputError when N < 2."""
    x = as_features(features)
    mean = x.mean(axis=0)
    centred = x - mean
    return Moments(mean, centred.T @ centred / (len(x) - 1))


def frechet_distance(samples: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Fréchet distance between features [N,d] and [M,d]; raises InputError when N or M is below 2."""
    return Reference(reference).distance(samples)


class Reference:
    """A reference feature set [M,d], factored once and compared with many sample sets."""

    def __init__(self, features: NDArray[np.floating]) -> None:
        self.features = as_features(features)
        self.moments = moments(self.features)
        self._factor: Array | None = None

    @property
    def factor(self) -> Array:
        """F [d,r] with Σ = FFᵀ, kept after its first use."""
        if self._factor is None:
            self._factor = covariance_factor(self.moments.covariance)
        return self._factor

    def distance(self, samples: NDArray[np.floating]) -> float:
        """Fréchet distance of samples [N,d] to this reference."""
        x = self._checked(samples)
        return self._from_cross(self._cross(x), x) if self._few(x) else self.distance_of(moments(x))

    def distances_without(self, samples: NDArray[np.floating], groups: NDArray[np.integer]) -> Array:
        """Distances [G] of the samples [N,d] that remain when group g = 0…G-1 of `groups` [N] is left out."""
        x = self._checked(samples)
        if self._few(x):
            cross = self._cross(x)
            kept = [groups != g for g in range(groups.max() + 1)]
            return np.array([self._from_cross(cross[keep], x[keep]) for keep in kept])
        return np.array([self.distance_of(rest) for rest in moments_without(x, groups)])

    def distance_of(self, samples: Moments) -> float:
        """Fréchet distance of a Gaussian with these moments to this reference."""
        inner = self.factor.T @ samples.covariance @ self.factor
        root = np.sqrt(np.linalg.eigvalsh(inner).clip(min=0)).sum()
        return self._assemble(samples.mean, float(np.trace(samples.covariance)), float(root))

    def _few(self, x: Array) -> bool:
        return max(len(x), len(self.features)) <= x.shape[1]

    def _cross(self, x: Array) -> Array:
        """X₁X₂ᵀ [N,M] with only the reference centred; removing its row mean centres the samples."""
        return x @ (self.features - self.moments.mean).T

    def _from_cross(self, cross: Array, x: Array) -> float:
        scale = np.sqrt((len(x) - 1) * (len(self.features) - 1))
        root = np.linalg.svd(cross - cross.mean(axis=0), compute_uv=False).sum() / scale
        return self._assemble(x.mean(axis=0), float(x.var(axis=0, ddof=1).sum()), float(root))

    def _assemble(self, mean: Array, trace: float, root: float) -> float:
        gap = mean - self.moments.mean
        distance = float(gap @ gap) + trace + float(np.trace(self.moments.covariance)) - 2 * root
        return max(distance, 0.0)  # it is a square: anything below zero is rounding

    def _checked(self, samples: NDArray[np.floating]) -> Array:
        x = as_features(samples)
        if x.shape[1] != self.features.shape[1]:
            raise InputError(f"features have {x.shape[1]} dimensions, the reference has {self.features.shape[1]}")
        return x


def moments_without(x: Array, groups: NDArray[np.integer]) -> Iterator[Moments]:
    """Moments of features [N,d] without each group in turn, by subtracting the group's sums from the total's."""
    mean = x.mean(axis=0)
    centred = x - mean  # keeps the subtraction exact when the mean is large against the spread
    total = centred.T @ centred
    for g in range(groups.max() + 1):
        part = centred[groups == g]
        left = len(x) - len(part)
        shift = -part.sum(axis=0) / left  # mean of the rest, relative to `mean`
        scatter = total - part.T @ part - left * np.outer(shift, shift)
        yield Moments(mean + shift, scatter / (left - 1))


def covariance_factor(covariance: Array) -> Array:
    """F [d,r] with Σ = FFᵀ: Cholesky, or scaled eigenvectors of the nonzero eigenvalues when Σ is singular."""
    try:
        return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        keep = values > values[-1] * len(values) * np.finfo(np.float64).eps
        return np.asarray(vectors[:, keep] * np.sqrt(values[keep]), dtype=np.float64)


def as_features(features: NDArray[np.floating]) -> Array:
    """Features as float64 [N,d], N >= 2, or InputError."""
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2:
        raise InputError(f"features must have shape [N, d], got {list(x.shape)}")
    if len(x) < 2:
        raise InputError(f"the Fréchet distance needs at least 2 samples, got {len(x)}")
    return x
