"""Fréchet distance to the model's own uncached samples of the same seeds: fidelity to the reference, no quality.

Both sets are finite and share what their seeds have in common. Groups are left out of both at once (a joint jackknife),
so that the error is that of the pair, and the bias of two finite sets is taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.quality.metrics.frechet import (
    Array,
    Features,
    Moments,
    Target,
    as_features,
    freedom,
    moments,
    shifts_without,
    stratum_totals,
)
from bench.statistics.jackknife import Groups, jackknife
from bench.statistics.replicates import Replicates
from models.errors import InputError


def own_distance(
    samples: Features, own: Features, groups: Groups, classes: NDArray[np.integer] | None = None
) -> dict[str, Any]:
    """`fd_own` of features [N,d] to those of the reference [N,d], without bias, and its 95 % interval.

    `fd_own_plain` and `fd_own_jackknife` are the value of all samples and those without each group, for differences
    of two cells. Nothing below zero is shown: it is the square of a distance. Raises InputError on unequal shapes.
    """
    x, y = as_features(samples), as_features(own)
    if x.shape != y.shape:
        raise InputError(f"a distance to the model's own samples needs equal shapes: {list(x.shape)}, {list(y.shape)}")
    replicates = Replicates.of(groups, classes)
    value = Target(moments(y)).distance_of(moments(x))
    pairs = zip(moments_without(x, replicates), moments_without(y, replicates), strict=True)
    without = np.array([Target(b).distance_of(a) for a, b in pairs])
    estimate = jackknife(value, without, groups)
    return {
        "fd_own": max(estimate.corrected, 0.0),
        "fd_own_low": max(estimate.low, 0.0),
        "fd_own_high": max(estimate.high, 0.0),
        "fd_own_plain": value,
        "fd_own_jackknife": without.tolist(),
    }


def moments_without(x: Features, replicates: Replicates) -> Iterator[Moments]:
    """Weighted moments of features [N,d] in every replicate, from sums over all samples that are shared."""
    mean: Array = x.mean(axis=0, dtype=np.float64)
    totals, mix = stratum_totals(x, mean, replicates)
    for g, shift in enumerate(shifts_without(x, mean, replicates)):
        # The strata's scatters as they weigh here, less the group's own part, about the replicate's own mean: [d,d].
        part = np.sqrt(replicates.dropped(g))[:, None] * (x[replicates.groups == g] - mean)
        scatter = np.tensordot(mix[g], totals, axes=1) - part.T @ part - np.outer(shift, shift)
        yield Moments(mean + shift, scatter / freedom(replicates.weights(g)))
