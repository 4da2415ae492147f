"""A comparison as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from bench.host.files import write_bytes
from bench.judge.compare import Row
from bench.show.comparison_text import MEANING, by_weight, factor, measures, summary
from bench.show.pages import TEMPLATES, templates
from bench.store.results import Results


def write_page(rows: Sequence[Row], base: Results, new: Results, out: Path) -> None:
    """Write the page. Raises OutputError where it cannot be written."""
    write_bytes(out, render(rows, base, new).encode())


def render(rows: Sequence[Row], base: Results, new: Results) -> str:
    """The page of a comparison, self-contained HTML."""
    return (
        templates()
        .get_template("compare.html")
        .render(
            style=Markup((TEMPLATES / "report.css").read_text("utf-8")),
            names=[results.directory.resolve().name for results in (base, new)],
            summary=summary(rows),
            rows=[(row, {c.measure: factor(c) for c in row.changes}) for row in by_weight(rows)],
            measures=measures(),
            meaning=MEANING,
            unreadable=[*base.unreadable, *new.unreadable],
        )
    )
