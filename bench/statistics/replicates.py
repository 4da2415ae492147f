"""What every sample weighs in a jackknife's replicates: a group is left out, the classes keep the shares of the whole.

Balanced labels are a stratified sample: every class has its share for certain. A group of a few samples cannot hold
every class in its share, so the samples without it would be of another mixture, and the distance between classes would
count as sampling error and as bias. So what is left of a class is weighted up to the share that the class has in the
whole: the stratified jackknife (Shao & Tu 1995, Sec. 6.2), with groups that run across classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Groups = NDArray[np.int64]

LEAST = 2  # samples of a class without which its spread cannot be seen


@dataclass(frozen=True)
class Replicates:
    """Weights of N samples in G replicates; each replicate's weights sum to 1.

    A sample of stratum k weighs `kept[g, k]` in replicates that keep it, and `left[k]` in that of its own group: zero,
    but for classes of fewer samples than groups (`step`). A stratum is all classes that weigh the same everywhere.
    """

    groups: Groups  # [N]
    stratum: NDArray[np.int64]  # [N]
    kept: Array  # [G,K]
    left: Array  # [K]

    @classmethod
    def of(cls, groups: Groups, classes: NDArray[np.integer] | None = None) -> Replicates:
        """The replicates without each of `groups` [N]; with `classes` [N] their shares are held.

        Classes are ignored where one of them has fewer than two samples: then nothing says how it spreads.
        """
        if classes is None or np.unique(classes, return_counts=True)[1].min() < LEAST:
            classes = np.zeros(len(groups), dtype=np.int64)
        _, members = np.unique(classes, return_inverse=True)
        inside = np.zeros((groups.max() + 1, members.max() + 1))
        np.add.at(inside, (groups, members), 1)  # m_gc: samples of class c in group g
        whole = inside.sum(axis=0)  # n_c
        part = step(whole, len(inside))
        kept, left = (1 + part * inside / (whole - inside)) / len(groups), (1 - part) / len(groups)
        columns, merged = np.unique(np.vstack([kept, left]), axis=1, return_inverse=True)
        return cls(groups, merged.reshape(-1)[members], columns[:-1], columns[-1])

    def weights(self, g: int) -> Array:
        """Of all samples [N] in replicate g."""
        return np.where(self.groups == g, self.left[self.stratum], self.kept[g, self.stratum])

    def matrix(self) -> Array:
        """Weights [G,N] of all replicates."""
        return np.stack([self.weights(g) for g in range(len(self.kept))])

    def dropped(self, g: int) -> Array:
        """What the samples of group g [m] weigh less than others of their stratum in replicate g."""
        stratum = self.stratum[self.groups == g]
        return self.kept[g, stratum] - self.left[stratum]


def step(whole: Array, groups: int) -> Array:
    """How far a class of n_c samples [K] goes towards leaving a group's out: 1, less where n_c is below G.

    Such a class has one sample in n_c of the G groups, and leaving it out whole would give a variance and a bias of
    1/(n_c - 1) where they are 1/n_c. Both are of second order in the change of weights, so its root mends both.
    """
    few = np.sqrt(groups / (groups - 1) * (whole - 1) / whole)
    return np.where(whole < groups, few, 1.0)


def fitting_samples(samples: int, classes: int) -> int:
    """The number of samples nearest to `samples` that holds every class twice: fewer say nothing of its spread.

    `samples` itself where it does, or where there is no more than one class.
    """
    return samples if classes < 2 else max(samples, LEAST * classes)
