"""Two methods' quality compared on shared seeds, and one method's over several runs with seeds of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from bench.schema.metrics import with_replicates
from bench.statistics.jackknife import Estimate, paired_difference, quantile
from models.errors import InputError

SHARED = ("samples", "seed", "fingerprint", "reference_sha256", "jackknife_groups")

Quality = Mapping[str, Any]


def differences(a: Quality, b: Quality) -> dict[str, Estimate]:
    """a - b of every metric that both have, with its paired error; `low` and `high` hold it without its bias.

    `a` and `b` are what `distribution_metrics` gives, or a result's `quality`. What their seeds have in common cancels.
    Raises InputError when they share no seeds, samples or reference.
    """
    require_shared(a, b)
    names = [name for name in paired_names() if a.get(f"{name}_jackknife") and b.get(f"{name}_jackknife")]
    return {
        name: paired_difference(a[f"{name}_jackknife"], b[f"{name}_jackknife"], (a[name], b[name])) for name in names
    }


def paired_names() -> tuple[str, ...]:
    """The keys of the metrics with a value without each group."""
    return tuple(metric.key for metric in with_replicates())


def require_shared(a: Quality, b: Quality) -> None:
    for name in SHARED:
        if a.get(name) != b.get(name):
            raise InputError(f"a paired difference needs equal {name}, got {a.get(name)!r} and {b.get(name)!r}")


@dataclass(frozen=True)
class OverSeeds:
    """A metric over K runs whose seeds do not overlap: `spread` is the standard deviation of one run."""

    mean: float
    spread: float
    low: float
    high: float
    runs: int


def over_seeds(runs: Sequence[Quality], metric: str = "fd") -> OverSeeds:
    """Mean, spread and 95 % interval (Student's t) of a metric over runs with the same samples and other seeds.

    The interval is of the metric at that number of samples, its bias included. Raises InputError when there are fewer
    than two runs, their ranges of seeds overlap, or they differ in more than their seeds.
    """
    if len(runs) < 2:
        raise InputError(f"a spread over seeds needs at least 2 runs, got {len(runs)}")
    for run in runs[1:]:
        require_shared({**runs[0], "seed": None}, {**run, "seed": None})
    starts, samples = sorted(run["seed"] for run in runs), runs[0]["samples"]
    for first, second in pairwise(starts):
        if second < first + samples:
            raise InputError(f"runs of {samples} samples from seeds {first} and {second} share some of them")
    values = np.array([run[metric] for run in runs], dtype=np.float64)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    half = quantile(len(values)) * spread / len(values) ** 0.5
    return OverSeeds(mean, spread, mean - half, mean + half, len(values))
