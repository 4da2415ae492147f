"""The area that a family's settings dominate, with an interval that holds.

The area falls with every quality value, so its value where all of them are at the high ends of intervals that hold at
once lies below the true one, and that of all low ends above. The box must not depend on the samples: its far corner is
the reference's latency and a stated distance above the reference.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bench.statistics.interval import Interval
from bench.statistics.simultaneous import Axis
from models.errors import InputError

Array = NDArray[np.float64]
LEVEL = 0.95


def hypervolume(latency: Array, quality: Axis, family: list[int], reference: int, height: float) -> Interval:
    """Of the settings `family`: area between log latency 0 (the reference's) and gap `height`, in units of `height`.

    `latency` [S] are log latencies, `quality` knows all S settings. 1 is a setting e times as fast at the reference's
    quality. Raises InputError unless `height` is above 0.
    """
    if not 0 < height < np.inf:
        raise InputError(f"hypervolume: 'height' must be a number above 0, got {height!r}")
    low, high = (end[family, reference] for end in quality.ends(quality.critical(LEVEL)))
    replicates = [
        dominated_area(zip(latency[family] - latency[reference], gaps, strict=True), height) / height
        for gaps in (quality.gaps[family, reference], high, low)
    ]
    return Interval(*replicates)


def dominated_area(spots: Iterable[tuple[float, float]], height: float) -> float:
    """Area up to the corner (0, height) that spots (log latency, gap) dominate (Zitzler & Thiele 1998).

    No gap counts for better than the reference's by more than `height`, so that a single outlier bounds nothing.
    """
    area, top = 0.0, height
    for x, y in sorted(spots):
        if x < 0 and y < top:
            area += -x * (top - max(y, -height))
            top = max(y, -height)
    return area
