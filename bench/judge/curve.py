"""The fewer-steps curve between measured step counts: what one sampler would give at any latency.

A chord between two knots lies above a convex curve and so flatters whatever is compared with it. The curve is the
monotone cubic of Fritsch & Carlson (1980) on log latency, which falls wherever its knots fall and never swings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Through knots at log_latency [K], fastest first, of values [K,...]. Raises InputError unless latencies rise.

    Values may have replicates as further axes: each has a curve of its own, so that errors follow.
    """

    log_latency: Array
    values: Array

    def __post_init__(self) -> None:
        logs = self.log_latency
        if len(logs) != len(self.values) or not len(logs) or (np.diff(logs) <= 0).any():
            raise InputError("a fewer-steps curve needs knots of rising latency, each with a value")

    @cached_property
    def _monotone(self) -> Any:
        from scipy.interpolate import PchipInterpolator

        return PchipInterpolator(self.log_latency, self.values, axis=0)

    @cached_property
    def _slope(self) -> Any:
        return self._monotone.derivative()

    def at(self, where: float) -> Array | None:
        """The values [...] there; None faster than the fastest knot, the slowest knot's beyond the slowest."""
        if where < self.log_latency[0]:
            return None
        if where >= self.log_latency[-1] or len(self.values) == 1:
            return np.asarray(self.values[-1])
        return np.asarray(self._monotone(where))

    def slope(self, where: float) -> float:
        """How steeply values [K] fall there, per unit of log latency; 0 beyond the ends."""
        if len(self.values) < 2 or not self.log_latency[0] <= where < self.log_latency[-1]:
            return 0.0
        return float(self._slope(where))

    def crossing(self, level: float) -> float | None:
        """Where values [K], fastest knot first, first are as low as `level`: the log latency.

        None where the fastest knot is lower already, or no knot is as low.
        """
        if self.values[0] < level or self.values.min() > level:
            return None
        first = int(np.argmax(self.values <= level))
        if not first or self.values[first] == level:
            return float(self.log_latency[first])
        places = self._monotone.solve(level, extrapolate=False)
        return float(min(x for x in places if self.log_latency[first - 1] <= x <= self.log_latency[first]))
