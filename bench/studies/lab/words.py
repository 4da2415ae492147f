"""Numbers of studies as texts, and as JSON keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

DIGITS = 4  # of a number among thousands


def rounded(values: Any, digits: int = DIGITS) -> Any:
    """Nested lists of numbers with few significant digits: what pictures are drawn from."""
    if isinstance(values, (np.ndarray, list)):
        return [rounded(value, digits) for value in values]
    return float(f"{float(values):.{digits}g}")


def interval_text(interval: Mapping[str, float], digits: int = 2) -> str:
    """`0.41 [0.38, 0.44]`."""
    value, low, high = (f"{interval[key]:.{digits}f}".replace("-", "−") for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def percent_text(interval: Mapping[str, float]) -> str:
    """`41 % [38, 44]`."""
    value, low, high = (f"{100 * interval[key]:.0f}".replace("-", "−") for key in ("value", "low", "high"))
    return f"{value} % [{low}, {high}]"
