"""The fewer-steps curve between measured step counts: what one sampler would give at any latency.

A chord between two knots lies above a convex curve and so flatters whatever is compared with it. The curve is the
monotone cubic of Fritsch & Carlson (1980) on log latency, which falls wherever its knots fall and never swings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError

Array = NDArray[np.float64]


def curve_at(log_latency: Array, values: Array, where: float) -> Array | None:
    """The curve's values [...] at `where`, through knots at log_latency [K], fastest first, of values [K,...].

    Values may have replicates as further axes: each has a curve of its own, so that errors follow. None faster than the
    fastest knot; the slowest knot beyond the slowest. Raises InputError unless latencies rise.
    """
    from scipy.interpolate import PchipInterpolator

    if len(log_latency) != len(values) or not len(values) or (np.diff(log_latency) <= 0).any():
        raise InputError("a fewer-steps curve needs knots of rising latency, each with a value")
    if where < log_latency[0]:
        return None
    if where >= log_latency[-1] or len(values) == 1:
        return np.asarray(values[-1])
    return np.asarray(PchipInterpolator(log_latency, values, axis=0)(where))


def slope_at(log_latency: Array, values: Array, where: float) -> float:
    """How steeply the curve through values [K] falls there, per unit of log latency; 0 beyond its ends."""
    from scipy.interpolate import PchipInterpolator

    if len(values) < 2 or not log_latency[0] <= where < log_latency[-1]:
        return 0.0
    return float(PchipInterpolator(log_latency, values).derivative()(where))


def crossing(log_latency: Array, values: Array, level: float) -> float | None:
    """Where the curve through values [K], fastest knot first, first is as low as `level`: its log latency.

    None where the fastest knot is lower already, or no knot is as low.
    """
    from scipy.interpolate import PchipInterpolator

    if not len(values) or values[0] < level or values.min() > level:
        return None
    first = int(np.argmax(values <= level))
    if not first or values[first] == level:
        return float(log_latency[first])
    places = PchipInterpolator(log_latency, values).solve(level, extrapolate=False)
    return float(min(x for x in places if log_latency[first - 1] <= x <= log_latency[first]))
