"""A column of the results table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

Row = Mapping[str, Any]  # by the data frame's columns


def records(table: pd.DataFrame) -> list[Row]:
    """The rows of `table` as plain mappings, many times as fast to read as the frame's own."""
    return table.to_dict("records")  # type: ignore[return-value]


MAIN, QUALITY, FIDELITY, WORK = "", "q", "f", "w"
VIEWS = {MAIN: "Main", QUALITY: "Quality", FIDELITY: "Fidelity, never called quality", WORK: "Work and memory"}


def views(columns: Iterable[Column]) -> list[tuple[str, str]]:
    """(view, name) of the views that some column stands in."""
    used = {column.view for column in columns}
    return [(view, name) for view, name in VIEWS.items() if view in used]


@dataclass(frozen=True)
class Column:
    """A column of the table: heading, what it means, its text, and the number it is sorted by."""

    heading: str
    meaning: str
    text: Callable[[Row], str]
    key: str  # the data frame's column that it is sorted by
    short: bool = False  # also stands in the short table (Markdown, LaTeX)
    view: str = MAIN  # of VIEWS: a page shows one at a time
