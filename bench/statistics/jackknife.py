"""Delete-group jackknife: standard error and bias of a statistic from leave-one-group-out replicates.

A percentile bootstrap is wrong for the Fréchet distance: resampling with replacement raises its bias, so the
interval can miss the estimate itself. Leaving groups out repeats no sample and gives the bias as well.
Groups of unequal size are weighted as in Busing, Meijer & van der Leeden (1999), "Delete-m jackknife for
unequal m"; with equal sizes that is the ordinary delete-group jackknife.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from models.errors import InputError

GROUPS = 32
LEVEL = 0.95  # of every interval

Array = NDArray[np.float64]
Groups = NDArray[np.int64]


def jackknife_groups(samples: int, labels: NDArray[np.integer] | None = None, count: int = GROUPS) -> Groups:
    """The group 0…count-1 of every sample, int64 [samples]; sizes differ by at most one.

    Without labels, sample i is in group i mod count. With labels [samples], samples are dealt out in order of
    their label, so that every group holds every class in (nearly) the proportion of the whole. This matters
    because labels are assigned by index too: i mod 32 and i mod 10 share the factor 2, and groups of only
    even or only odd classes would count the distance between classes as sampling error.
    The same labels give the same groups, so replicates of two methods are paired.
    Raises InputError when there are fewer samples than groups.
    """
    if samples < count:
        raise InputError(f"the jackknife error needs at least {count} samples, got {samples}")
    groups = np.empty(samples, dtype=np.int64)
    order = np.arange(samples) if labels is None else np.argsort(labels, kind="stable")
    groups[order] = np.arange(samples) % count
    return groups


@dataclass(frozen=True)
class Estimate:
    """A statistic, or a difference of two, with its jackknife error and without its bias, from `groups` replicates."""

    value: float
    standard_error: float
    corrected: float
    groups: int = GROUPS

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval: the bias-corrected value ∓ the error times Student's t of G - 1 degrees."""
        return self.corrected - quantile(self.groups) * self.standard_error

    @property
    def high(self) -> float:
        return self.corrected + quantile(self.groups) * self.standard_error


def quantile(groups: int) -> float:
    """Student's t that makes a 95 % interval of an error from `groups` replicates: 2.04 for 32."""
    return float(stdtrit(groups - 1, (1 + LEVEL) / 2))


def jackknife(value: float, replicates: Sequence[float] | Array, groups: Groups) -> Estimate:
    """Standard error and bias correction of `value` from its replicates [G] without each group.

    With N samples, m_g of them in group g and h_g = N / m_g:
    corrected = G θ - Σ (1 - 1/h_g) θ_g, and variance = 1/G Σ (θ̃_g - corrected)² / (h_g - 1)
    with pseudo-values θ̃_g = h_g θ - (h_g - 1) θ_g.
    """
    left_out = np.asarray(replicates, dtype=np.float64)
    sizes = np.bincount(groups)
    if len(sizes) != len(left_out):
        raise InputError(f"{len(left_out)} jackknife replicates for {len(sizes)} groups")
    h = len(groups) / sizes  # [G]
    corrected = len(h) * value - float(((1 - 1 / h) * left_out).sum())
    pseudo = h * value - (h - 1) * left_out  # θ̃_g, [G]
    variance = float(((pseudo - corrected) ** 2 / (h - 1)).mean())
    return Estimate(value, variance**0.5, corrected, len(h))


def paired_difference(
    jackknife_a: Sequence[float] | Array, jackknife_b: Sequence[float] | Array, values: tuple[float, float]
) -> Estimate:
    """Difference a - b from `values` on all samples and replicates [G] of two methods that share seeds and groups.

    `corrected` is without bias: two statistics' own biases cancel only in part. What the seeds have in common cancels
    in each replicate, so the error is smaller than that of two independent runs. A point on a curve between methods
    has the same weighted mean of their values and replicates. Group sizes are taken as equal: they differ by at most
    one sample. Raises InputError on unequal lengths.
    """
    a, b = np.asarray(jackknife_a, dtype=np.float64), np.asarray(jackknife_b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise InputError(f"paired replicates need equal lengths of at least 2, got {list(a.shape)}, {list(b.shape)}")
    gaps, value, count = a - b, values[0] - values[1], len(a)  # gaps θ_g [G]
    # Equal groups: h_g = G, so the bias is (G - 1) (mean θ_g - θ), the variance (G - 1)/G Σ (θ_g - mean θ_g)².
    corrected = count * value - (count - 1) * float(gaps.mean())
    variance = (count - 1) / count * float(((gaps - gaps.mean()) ** 2).sum())
    return Estimate(value, variance**0.5, corrected, count)
