"""Differences of many settings on one axis, with intervals that hold all at once.

Every setting has a value and deviations [K]: independent parts of its error, shared with other settings where they have
something in common (seeds, rounds, a baseline). So the error of a difference is the length of the difference of two
rows of deviations, and what two settings share cancels once. Of S settings all S(S - 1)/2 differences are looked at;
the critical value is that of the largest of them in size (max-t: Hothorn, Bretz & Westfall 2008), found by drawing
sample sets of the same covariance again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from models.errors import InputError

DRAWS = 4000  # of the largest difference: the critical value is good to about 0.02
SEED = 0
REACH, TABLE = 15, 1000  # of a table of Student's t: up to arcsinh t, and entries a unit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """`values` [S], better when lower, and `deviations` [K,S] whose squares add up to their variances.

    `freedom`: degrees of freedom of an error estimated from K repeated groups, seeds or rounds; None where deviations
    are independent parts that are known. `slack`: how far beyond its error a difference may be off.
    """

    values: Array
    deviations: Array
    freedom: int | None = None
    slack: float = 0.0

    @cached_property
    def gaps(self) -> Array:
        """Row's value minus column's, [S,S]."""
        return self.values[:, None] - self.values

    @cached_property
    def errors(self) -> Array:
        """Standard error of every gap, [S,S]."""
        return np.sqrt(pair_variances(self.deviations.T @ self.deviations))

    def against(self, origin: int) -> tuple[Array, Array]:
        """Every value less that of setting `origin`, and its standard error: a column of `gaps` and of `errors`."""
        parts = self.deviations - self.deviations[:, [origin]]
        return self.values - self.values[origin], np.sqrt((parts**2).sum(axis=0))

    def error(self, setting: int) -> Array:
        """Standard error of a setting's own value, not of a difference."""
        return np.sqrt((self.deviations[:, setting] ** 2).sum())

    def ends(self, critical: float) -> tuple[Array, Array]:
        """Low and high ends [S,S] of the intervals of all gaps; a setting's gap to itself is certain."""
        half = critical * self.errors + self.slack * (1 - np.eye(len(self.values)))
        return self.gaps - half, self.gaps + half

    def critical(self, level: float) -> float:
        """The value that no gap's error exceeds in a share `level` of repetitions."""
        if len(self.values) < 2:
            return self.pointwise(level)
        rng = np.random.default_rng(SEED)
        largest = np.array([self._largest(rng) for _ in range(DRAWS)])
        return max(float(np.quantile(largest, level)), self.pointwise(level))

    def chance_below(self, limit: float) -> Array:
        """How probable so low a gap [S,S] is where its truth is `limit`: small where it is certainly below."""
        room = limit - self.gaps - self.slack
        scale = np.where(self.errors > 0, self.errors, 1)
        ratio = np.where(self.errors > 0, room / scale, np.where(room > 0, np.inf, -np.inf))
        return _below(-ratio, np.inf if self.freedom is None else self.freedom)

    def pointwise(self, level: float) -> float:
        """The value that one gap's error alone does not exceed: Student's t, or the normal quantile."""
        return float(stdtrit(np.inf if self.freedom is None else self.freedom, (1 + level) / 2))

    def _largest(self, rng: np.random.Generator) -> float:
        """Of |gap| / error in one sample set whose true gaps are all 0."""
        parts = len(self.deviations)
        if self.freedom is None:
            drawn, errors = rng.normal(size=parts) @ self.deviations, self.errors
        else:  # f + 1 repetitions: their mean has the given covariance, their scatter estimates it
            count = self.freedom + 1
            rows = count**0.5 * rng.normal(size=(count, parts)) @ self.deviations
            drawn = rows.mean(axis=0)
            centred = rows - drawn
            errors = np.sqrt(pair_variances(centred.T @ centred / (count * self.freedom)))
        gaps = np.abs(drawn[:, None] - drawn)
        return float(np.divide(gaps, errors, out=np.zeros_like(gaps), where=errors > 1e-12 * errors.max()).max())


def _below(t: Array, freedom: float) -> Array:
    """Student's distribution function at many values of t, good to 1e-4 of itself: read off a table, not summed."""
    logs = _table(freedom)
    place = np.clip(TABLE * (np.arcsinh(t) + REACH), 0, len(logs) - 1.001)
    left = place.astype(np.int32)
    return np.asarray(np.exp(logs[left] + (place - left) * (logs[left + 1] - logs[left])))


@cache
def _table(freedom: float) -> Array:
    """Logarithms of the distribution function, evenly in arcsinh t: dense around 0, and far into heavy tails."""
    places = np.linspace(-REACH, REACH, 2 * REACH * TABLE + 1)
    return np.log(np.maximum(stdtr(freedom, np.sinh(places)), 1e-300))


def pair_variances(covariance: Array) -> Array:
    """Variances [S,S] of differences of values with a covariance [S,S]."""
    own = np.diag(covariance)
    return np.clip(own[:, None] + own - 2 * covariance, 0, None)


def from_jackknife(values: Array, replicates: Array) -> Axis:
    """Bias-corrected values from those on all samples [S] and those without each group [G,S]."""
    groups, means = len(replicates), replicates.mean(axis=0)
    if groups < 2 or replicates.shape[1:] != values.shape:
        raise InputError(f"replicates [G,S] of {list(values.shape)} settings needed, got {list(replicates.shape)}")
    # [G,S]; their squares add up to the jackknife variance (G - 1)/G Σ (θ_g - mean θ_g)².
    deviations = ((groups - 1) / groups) ** 0.5 * (replicates - means)
    return Axis(groups * values - (groups - 1) * means, deviations, groups - 1)


def from_repetitions(rows: Array, slack: float = 0.0) -> Axis:
    """Means of rows [n,S]: one a seed, or a round of log times; what a row has in common cancels."""
    count = len(rows)
    if rows.ndim != 2 or count < 2 or not np.isfinite(rows).all():
        raise InputError(f"repetitions [n,S] need at least 2 finite rows, got {list(rows.shape)}")
    means = rows.mean(axis=0)
    return Axis(means, (rows - means) / (count * (count - 1)) ** 0.5, count - 1, slack)


def from_covariance(values: Array, covariance: Array) -> Axis:
    """Values [S] with a known covariance [S,S], as of latencies that share a reference."""
    # Σ = V diag(e) Vᵀ, so the rows of diag(e)^½ Vᵀ [S,S] are independent parts of the error; e < 0 is rounding.
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return Axis(values, np.sqrt(eigenvalues.clip(min=0))[:, None] * vectors.T)
