"""Kernel distance, KID (Bińkowski et al. 2018): unbiased MMD² with the kernel (x·y/d + 1)³, with its jackknife error.

The value is torch-fidelity's, over the same subsets. Its spread over subsets is no standard error, because subsets
share samples; leaving a group of samples out of every subset gives one, at no more than sums over the same kernels.
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

Array = NDArray[np.float64]


def kernel_distance(samples: Tensor, reference: Tensor, groups: Groups) -> dict[str, Any]:
    """`kid` of features [N,d] against [M,d] with its replicates without each group, standard error and subsets.

    The mean over 100 subsets of min(1000, N, M), in float64. The error is null where leaving a group out would leave a
    subset without a pair. Raises InputError when either set has fewer than two samples.
    """
    require_samples("KID", 2, samples, reference)
    size = min(SUBSET_SIZE, len(samples), len(reference))
    rng = np.random.RandomState(SEED)  # the library's draws: its KID is the papers'
    x, y = samples.numpy(), reference.numpy()
    found = np.zeros(1 + GROUPS)
    for _ in range(SUBSETS):
        drawn, real = (rng.choice(len(f), size, replace=False) for f in (x, y))
        found += distances_without(x[drawn].astype(np.float64), y[real].astype(np.float64), groups[drawn]) / SUBSETS
    value, replicates = float(found[0]), found[1:]
    known = bool(np.isfinite(replicates).all())
    return {
        "kid": value,
        "kid_se": jackknife(value, replicates, groups).standard_error if known else None,
        "kid_jackknife": replicates.tolist() if known else None,
        "kid_subset_size": size,
        "kid_subsets": SUBSETS,
    }


def distances_without(x: Array, y: Array, groups: Groups) -> Array:
    """Unbiased MMD² [1 + G] of x [m,d] against y [m,d]: of all of x, then without each group of it.

    With sums of k(x,x') between groups, off the diagonal, what is left without group g is the total less twice g's row
    plus g's own block. NaN where fewer than two rows are left.
    """
    members = (np.arange(GROUPS)[:, None] == groups).astype(np.float64)  # [G,m]
    between = members @ off_diagonal(cubic(x, x)) @ members.T
    across = members @ cubic(x, y).sum(axis=1)
    within_y = off_diagonal(cubic(y, y)).sum() / (len(y) * (len(y) - 1))
    left = len(x) - np.concatenate([[0.0], members.sum(axis=1)])
    pairs = between.sum() - np.concatenate([[0.0], 2 * between.sum(axis=1) - np.diag(between)])
    cross = across.sum() - np.concatenate([[0.0], across])
    left = np.where(left < 2, np.nan, left)
    return pairs / (left * (left - 1)) + within_y - 2 * cross / (left * len(y))


def cubic(x: Array, y: Array) -> Array:
    return (x @ y.T / x.shape[1] + 1) ** 3


def off_diagonal(kernel: Array) -> Array:
    np.fill_diagonal(kernel, 0)
    return kernel
