"""The area that a family's settings dominate, with an interval that holds.

A setting stands at its log latency over the reference's, and at its distance above the reference's own, as a share of
that. The area falls with both, so with all of them at the high ends of intervals that hold at once it lies below the
true one, and with all at the low ends above. The box does not depend on what else was measured: it ends at the
reference's latency and at twice its distance. Gaps are paired, so what seeds and rounds have in common cancels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bench.statistics.interval import Interval
from bench.statistics.simultaneous import Axis

Array = NDArray[np.float64]
LEVEL = 0.95


def hypervolume(latency: Axis, quality: Axis, family: list[int], reference: int) -> Interval | None:
    """Of the settings `family`: area between the reference's latency and twice its distance, in units of that distance.

    1 is a setting e times as fast at the reference's quality. `latency` holds logarithms, `quality` distances without
    bias, of the same S settings. None where the reference's own distance, the unit, is not certainly above 0.
    """
    chance = (1 - LEVEL) / (2 * len(family) + 1)  # Bonferroni: two intervals a setting, and that of the unit
    fast, good = latency.pointwise(1 - chance), quality.pointwise(1 - chance)
    unit = _ends(quality.values[reference], quality.error(reference), good)
    if unit[1] <= 0:
        return None
    (speeds, of_speeds), (gaps, of_gaps) = latency.against(reference), quality.against(reference)
    x = _ends(speeds[family], of_speeds[family], fast)  # [3,F]: value, low, high
    y = _ends(gaps[family], of_gaps[family], good)
    # A gap's share is largest over the smallest unit if it is above 0, and over the largest if it is below.
    low, high = y[1] / np.where(y[1] > 0, unit[2], unit[1]), y[2] / np.where(y[2] > 0, unit[1], unit[2])
    sides = ((x[0], y[0] / unit[0]), (x[2], high), (x[1], low))
    return Interval(*(dominated_area(zip(logs.tolist(), shares.tolist(), strict=True), 1.0) for logs, shares in sides))


def _ends(value: Array, error: Array, critical: float) -> Array:
    """Value, low and high end [3,...]."""
    return np.stack([value, value - critical * error, value + critical * error])


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
