"""Kernel distance, KID (Bińkowski et al. 2018): unbiased MMD² with the kernel (x·y/d + 1)³, with its jackknife error.

Without labels the value is torch-fidelity's, over the same subsets. The unbiased MMD² takes samples for independent
draws, which balanced labels are not: two of one class meet too rarely among them, and the value lies too low by
(1 - 1/C)/(N - 1) times the excess of kernels within classes. So with labels it is the *stratified* KID: subsets hold
every class in its share, and pairs of one class count by that class's share squared.
The spread over subsets is no standard error, because subsets share samples; leaving a group of samples out of every
subset gives one, at no more than sums over the same kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.metrics.precision_recall import require_samples
from bench.statistics.jackknife import GROUPS, Groups, jackknife

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 2020  # torch-fidelity's; the global random state is neither read nor changed
LEAST = 4  # samples of a class in a subset: a pair is left where one of them is left out
PAPERS, STRATIFIED = "papers", "stratified"  # `kid_estimator`

Array = NDArray[np.float64]
Classes = NDArray[np.integer]


def kernel_distance(
    samples: Tensor, reference: Tensor, groups: Groups, classes: Classes | None = None
) -> dict[str, Any]:
    """`kid` of features [N,d] against [M,d] with its replicates without each group, standard error and subsets.

    The mean over 100 subsets of min(1000, N, M), in float64. `kid_estimator` is "stratified" where `classes` [N] are
    given and a subset holds at least four of each, else "papers". The error is null where leaving a group out would
    leave a subset without a pair. Raises InputError when either set has fewer than two samples.
    """
    require_samples("KID", 2, samples, reference)
    size = min(SUBSET_SIZE, len(samples), len(reference))
    rng = np.random.RandomState(SEED)  # the library's draws: its KID is the papers'
    x, y = samples.numpy(), reference.numpy()
    strata = strata_of(len(x), size, classes)
    distances = np.zeros(1 + GROUPS)
    for _ in range(SUBSETS):
        drawn = draw(strata, size, rng)
        real = rng.choice(len(y), size, replace=False)
        parts = x[drawn].astype(np.float64), y[real].astype(np.float64), groups[drawn]
        distances += distances_without(*parts, strata[drawn]) / SUBSETS
    value, replicates = float(distances[0]), distances[1:]
    known = bool(np.isfinite(replicates).all())
    return {
        "kid": value,
        "kid_se": jackknife(value, replicates, groups).standard_error if known else None,
        "kid_jackknife": replicates.tolist() if known else None,
        "kid_estimator": STRATIFIED if strata.any() else PAPERS,
        "kid_subset_size": size,
        "kid_subsets": SUBSETS,
    }


def strata_of(samples: int, size: int, classes: Classes | None) -> NDArray[np.int64]:
    """The stratum of every sample [N]: its class 0…C-1; all 0 where a subset would hold fewer than four of a class."""
    if classes is None:
        return np.zeros(samples, dtype=np.int64)
    _, strata, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return strata if allocation(counts, size).min() >= LEAST else np.zeros(samples, dtype=np.int64)


def allocation(counts: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    """How many of each class a subset of `size` holds: its share, the largest remainders rounded up."""
    exact = counts * size / counts.sum()
    sizes = np.floor(exact).astype(np.int64)
    sizes[np.argsort(sizes - exact, kind="stable")[: size - sizes.sum()]] += 1
    return sizes


def draw(strata: NDArray[np.int64], size: int, rng: np.random.RandomState) -> NDArray[np.int64]:
    """Indices [size] of a subset without repetition, each stratum in its share."""
    counts = np.bincount(strata)
    if len(counts) == 1:
        return rng.choice(len(strata), size, replace=False)
    members = [np.flatnonzero(strata == k) for k in range(len(counts))]
    sizes = allocation(counts, size)
    return np.concatenate([rng.choice(own, n, replace=False) for own, n in zip(members, sizes, strict=True)])


def distances_without(x: Array, y: Array, groups: Groups, strata: NDArray[np.int64] | None = None) -> Array:
    """Unbiased MMD² [1 + G] of x [m,d] against y [m,d]: of all of x, then without each group of it.

    Strata [m] keep their shares w_c: pairs of two classes weigh w_c w_c' / (n_c n_c'), pairs within one
    w_c² / (n_c (n_c - 1)). NaN where fewer than two of a stratum are left.
    """
    strata = np.zeros(len(x), dtype=np.int64) if strata is None else strata
    members = strata[:, None] == np.arange(strata.max() + 1)  # [m,C]
    there = np.vstack([np.ones(len(x)), np.arange(GROUPS)[:, None] != groups])  # [1 + G,m]
    left = there @ members  # n_c [1 + G,C]
    left = np.where(left < 2, np.nan, left)
    share = members.mean(axis=0)  # w_c [C]
    across = there * (share / left)[:, strata]  # [1 + G,m]: weights that sum to 1
    within = across * np.sqrt(left / (left - 1))[:, strata]
    # MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y), no sample paired with itself (Gretton et al. 2012, eq. 3).
    kernel = off_diagonal(cubic(x, x))  # [m,m]
    same = strata[:, None] == strata
    pairs = quadratic(within, np.where(same, kernel, 0)) + quadratic(across, np.where(same, 0, kernel))
    within_y = off_diagonal(cubic(y, y)).sum() / (len(y) * (len(y) - 1))
    return pairs + within_y - 2 * across @ cubic(x, y).mean(axis=1)


def quadratic(weights: Array, kernel: Array) -> Array:
    """wᵀKw of every row of weights [R,m], K [m,m]."""
    return ((weights @ kernel) * weights).sum(axis=1)


def cubic(x: Array, y: Array) -> Array:
    return (x @ y.T / x.shape[1] + 1) ** 3


def off_diagonal(kernel: Array) -> Array:
    np.fill_diagonal(kernel, 0)
    return kernel
