"""An estimate with its interval, and errors on the log scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959964  # the normal quantile of a 95 % interval


def log_error(interval: dict[str, float]) -> float:
    """Standard error on the log scale that a 95 % interval stands for."""
    return math.log(interval["high"] / interval["low"]) / (2 * Z95)


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes 0, else 0."""
        return (self.low > 0) - (self.high < 0)
