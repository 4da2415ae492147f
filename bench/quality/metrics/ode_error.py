"""Fidelity to a model's own sampling ODE: how far final latents end from its exact solution. It is no quality.

A sample may be far from the exact solution and as good; few steps and caches only promise to come near it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.statistics.jackknife import quantile
from models.errors import InputError

Array = NDArray[np.float64]


def ode_error(errors: Array, resolution: float) -> dict[str, Any]:
    """`ode_error`, the mean of relative L2 errors [n] of n seeds, its 95 % interval, and the errors themselves.

    Student's t over seeds; the solution is itself known to within `resolution` only, by which the triangle inequality
    lets each end be off, so that no smaller error is claimed. Raises InputError below two seeds or on NaN.
    """
    if errors.ndim != 1 or len(errors) < 2 or not np.isfinite(errors).all():
        raise InputError(f"an error over seeds needs finite values of at least 2, got {list(errors.shape)}")
    mean = float(errors.mean())
    half = quantile(len(errors)) * float(errors.std(ddof=1)) / len(errors) ** 0.5 + resolution
    return {
        "ode_error": mean,
        "ode_error_low": max(mean - half, 0.0),
        "ode_error_high": mean + half,
        "ode_error_resolution": resolution,
        "ode_error_seeds": errors.tolist(),
    }
