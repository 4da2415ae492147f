"""A column of the results table."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

Row = pd.Series


@dataclass(frozen=True)
class Column:
    """A column of the table: heading, what it means, its text, and the number it is sorted by."""

    heading: str
    meaning: str
    text: Callable[[Row], str]
    key: str  # the data frame's column that it is sorted by
    short: bool = False  # also stands in the short table (Markdown, LaTeX)
