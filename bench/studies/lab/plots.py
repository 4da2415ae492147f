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


def logarithmic(*axis: Any) -> None:
    """Logarithmic axes, marked at 1, 2, 5, 10, … in plain numbers: texts of plots are not read as mathematics."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    for one in axis:
        one.axes.set(**{f"{one.axis_name}scale": "log"})
        one.set_major_locator(LogLocator(subs=(1, 2, 5)))
        one.set_minor_locator(NullLocator())
        one.set_major_formatter(StrMethodFormatter("{x:g}"))
