"""Latencies chained to a reference over the sampler that each was timed beside: a root's error counts once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.statistics.simultaneous import Axis
from models.errors import InputError

Array = NDArray[np.float64]


def chained(
    root: NDArray[np.integer], root_logs: Array, root_errors: Array, own_logs: Array, own_errors: Array
) -> Axis:
    """Log latencies root_logs[root] + own_logs of S settings, whose differences know what two of them share.

    Setting s was timed beside sampler `root`[s], with a log ratio `own_logs`[s] to it; sampler r has a log ratio
    `root_logs`[r] to the reference. Errors are standard errors, independent of each other. The difference of two
    settings of one root holds neither the root's ratio nor its error. Raises InputError where a root is not there.
    """
    if len(root) and not 0 <= int(root.min()) <= int(root.max()) < len(root_logs):
        raise InputError(f"chained latencies: roots must lie in 0..{len(root_logs) - 1}, got {root.tolist()}")
    shared = np.where(np.arange(len(root_logs))[:, None] == root, root_errors[:, None], 0.0)  # [R,S]
    return Axis(root_logs[root] + own_logs, shared, own=own_errors)
