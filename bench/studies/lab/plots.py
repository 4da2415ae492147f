"""What plots of studies have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def errorbars(axes: Any, x: Sequence[float], intervals: Sequence[Mapping[str, float]], **style: Any) -> None:
    """A line of values with their intervals."""
    values = np.array([one["value"] for one in intervals])
    ends = np.abs(np.array([[one["low"], one["high"]] for one in intervals]).T - values)
    axes.errorbar(x, values, yerr=ends, markersize=4, linewidth=1, capsize=2, **style)
