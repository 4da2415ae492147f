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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from models.errors import InputError

DRAWS = 4000  # of the largest difference: the critical value is good to about 0.02
SEED = 0
REACH, TABLE = 15, 1000  # of a table of Student's t: up to arcsinh t, and entries a unit

Array = NDArray[np.float64]


ALL = slice(None)
ENTRIES = 2_000_000  # of a matrix of pairs that are held at once: 16 MB


def blocks(count: int) -> list[slice]:
    """The rows of a matrix [count,count] in pieces of at most ENTRIES entries, so that pairs never fill the memory."""
    rows = max(1, ENTRIES // max(1, count))
    return [slice(start, min(start + rows, count)) for start in range(0, count, rows)]


@dataclass(frozen=True)
class Axis:
    """`values` [S], better when lower, and `deviations` [K,S] whose squares add up to their variances.

    `own` [S]: a part of each error that no other setting shares, in place of S further rows of deviations. `freedom`:
    degrees of freedom of an error estimated from K repeated groups, seeds or rounds; None where deviations are
    independent parts that are known. `slack`: how far beyond its error a difference may be off.

    What speaks of pairs takes `rows`, for some of the settings [R,S]; all of them by default [S,S].
    """

    values: Array
    deviations: Array
    freedom: int | None = None
    slack: float = 0.0
    own: Array | float = 0.0

    @property
    def gaps(self) -> Array:
        """Row's value minus column's, [S,S]."""
        return self.gaps_of(ALL)

    @property
    def errors(self) -> Array:
        """Standard error of every gap, [S,S]."""
        return self.errors_of(ALL)

    def gaps_of(self, rows: slice) -> Array:
        return self.values[rows, None] - self.values

    def errors_of(self, rows: slice) -> Array:
        apart = np.broadcast_to(self.own, self.values.shape) ** 2
        shared = pair_variances(self.deviations.T[rows] @ self.deviations, self._variances[rows], self._variances)
        found = np.sqrt(shared + (apart[rows, None] + apart))
        found[self._itself(rows)] = 0.0
        return found

    @cached_property
    def _variances(self) -> Array:
        """Of what is shared, [S]: summed as in `errors_of`, so that equal settings have no error between them."""
        pieces = [self.deviations.T[rows] for rows in blocks(len(self.values))]
        return np.concatenate([np.diag(piece @ piece.T) for piece in pieces]) if pieces else np.zeros(0)

    def _itself(self, rows: slice) -> Any:
        """Where the rows meet their own columns."""
        columns = np.arange(len(self.values))[rows]
        return np.arange(len(columns)), columns

    def against(self, origin: int) -> tuple[Array, Array]:
        """Every value less that of setting `origin`, and its standard error: a column of `gaps` and of `errors`."""
        apart = np.broadcast_to(self.own, self.values.shape) ** 2
        shared = ((self.deviations - self.deviations[:, [origin]]) ** 2).sum(axis=0)
        errors = np.sqrt(shared + (apart + apart[origin]))
        errors[origin] = 0.0
        return self.values - self.values[origin], errors

    def error(self, setting: int) -> Array:
        """Standard error of a setting's own value, not of a difference."""
        apart = np.broadcast_to(self.own, self.values.shape)[setting]
        return np.sqrt((self.deviations[:, setting] ** 2).sum() + apart**2)

    def ends(self, critical: float, rows: slice = ALL) -> tuple[Array, Array]:
        """Low and high ends of the intervals of gaps; a setting's gap to itself is certain."""
        gaps, half = self.gaps_of(rows), critical * self.errors_of(rows) + self.slack
        half[self._itself(rows)] = 0.0
        return gaps - half, gaps + half

    def critical(self, level: float) -> float:
        """The value that no gap's error exceeds in a share `level` of repetitions."""
        if len(self.values) < 2:
            return self.pointwise(level)
        rng = np.random.default_rng(SEED)
        largest = np.array([self._largest(rng) for _ in range(DRAWS)])
        return max(float(np.quantile(largest, level)), self.pointwise(level))

    def clearness(self, limit: float, rows: slice = ALL) -> Array:
        """How many standard errors a gap lies below `limit`; infinitely many where it has no error."""
        room, errors = limit - self.gaps_of(rows) - self.slack, self.errors_of(rows)
        certain = np.where(room > 0, np.inf, -np.inf)
        return np.divide(room, errors, out=certain, where=errors > 0)

    def chance(self, clearness: Array) -> Array:
        """How probable it is to lie so clearly below a limit where the truth is the limit."""
        return _below(-clearness, self._degrees)

    def chance_below(self, limit: float) -> Array:
        """How probable so low a gap [S,S] is where its truth is `limit`: small where it is certainly below."""
        return self.chance(self.clearness(limit))

    def clear_enough(self, chance: Array | float) -> Array:
        """A clearness that is reached wherever the chance is at most this; a little less than what it takes."""
        logs = _table(self._degrees)
        place = np.interp(np.log(1.01 * np.maximum(chance, 1e-300)), logs, np.arange(len(logs)))
        return -np.sinh(place / TABLE - REACH)

    def pointwise(self, level: float) -> float:
        """The value that one gap's error alone does not exceed: Student's t, or the normal quantile."""
        return float(stdtrit(self._degrees, (1 + level) / 2))

    @property
    def _degrees(self) -> float:
        return np.inf if self.freedom is None else self.freedom

    @cached_property
    def _parts(self) -> Array:
        """Every independent part of the errors, each setting's own as a row of its own."""
        own = np.broadcast_to(self.own, self.values.shape)
        return np.concatenate([self.deviations, np.diag(own)]) if own.any() else self.deviations

    def _largest(self, rng: np.random.Generator) -> float:
        """Of |gap| / error in one sample set whose true gaps are all 0."""
        parts = len(self._parts)
        if self.freedom is None:
            drawn, errors = rng.normal(size=parts) @ self._parts, self.errors
        else:  # f + 1 repetitions: their mean has the given covariance, their scatter estimates it
            count = self.freedom + 1
            rows = count**0.5 * rng.normal(size=(count, parts)) @ self._parts
            drawn = rows.mean(axis=0)
            centred = rows - drawn
            errors = np.sqrt(_variances_of(centred.T @ centred / (count * self.freedom)))
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


def pair_variances(covariance: Array, rows: Array, columns: Array) -> Array:
    """Variances [R,S] of differences of values with a covariance [R,S], and variances `rows` [R] and `columns` [S]."""
    return np.clip(rows[:, None] + columns - 2 * covariance, 0, None)


def _variances_of(covariance: Array) -> Array:
    """`pair_variances` of a whole covariance [S,S]."""
    own = np.diag(covariance)
    return pair_variances(covariance, own, own)


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
