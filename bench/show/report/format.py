"""How the report writes numbers and names. Empty means not applicable; it is never shown as zero."""

from typing import Any

import pandas as pd

from bench.schema.cell import INCEPTION_SHA256
from bench.store.stored_cell import StoredCell

MISSING = "–"


def figure(value: Any, digits: int = 3) -> str:
    """`value` with `digits` significant digits, without an exponent where it is readable without one."""
    if value is None or pd.isna(value):
        return MISSING
    value = float(value)
    if not value:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])  # of the rounded value: 9.999 is 10.0
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """`value` with its sign, a true minus."""
    return ("+" if value >= 0 else "") + figure(value, digits)


def percent(value: Any, decimals: int = 1) -> str:
    """A fraction as per cent."""
    return MISSING if value is None or pd.isna(value) else f"{100 * float(value):.{decimals}f} %"


def plus_minus(value: Any, error: Any) -> str:
    """`value ± error`, both to the error's second digit."""
    if value is None or pd.isna(value):
        return MISSING
    if error is None or pd.isna(error) or not error:
        return figure(value)
    decimals = max(1 - int(f"{float(error):e}".split("e")[1]), 0)
    return f"{float(value):,.{decimals}f} ± {float(error):.{decimals}f}".replace("-", "−")


def between(low: Any, high: Any, digits: int = 3) -> str:
    """`[low, high]`, or nothing."""
    return "" if low is None or pd.isna(low) else f"[{figure(low, digits)}, {figure(high, digits)}]"


def duration(seconds: Any) -> str:
    """Seconds in the unit that suits."""
    if seconds is None or pd.isna(seconds):
        return MISSING
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{figure(seconds / size, 2)} {unit}"
    return f"{figure(seconds, 2)} s"


def distance_name(cell: StoredCell) -> str:
    """FID only where the features come from the real Inception weights, by their SHA-256; FD otherwise."""
    return "FID" if cell.quality.weights_sha256 == INCEPTION_SHA256 else "FD"


def distance_heading(cell: StoredCell) -> str:
    """`FD (mnist-cnn features, n=2,000)`."""
    samples = cell.quality.samples
    count = f"{samples:,}" if samples is not None else "?"
    return f"{distance_name(cell)} ({cell.quality.features or 'unnamed'} features, n={count})"
