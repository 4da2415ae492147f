"""A study as one page: the question, its answer, the plot, the data and the command that makes it again."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from bench.host.files import write_bytes
from bench.show.pages import TEMPLATES, templates
from bench.show.report.figures import STYLE, saved

STYLES = ("report.css", "study.css")


def write_pages(result: dict[str, Any], tables: Sequence[Any], draw: Callable[[], Figure], stem: Path) -> Path:
    """Write STEM.svg and STEM.html, and return the page's path. Raises OutputError where they cannot be written."""
    picture = svg(draw)
    write_bytes(stem.with_name(f"{stem.name}.svg"), picture)
    page = stem.with_name(f"{stem.name}.html")
    write_bytes(page, render(result, tables, picture).encode())
    return page


def svg(draw: Callable[[], Figure]) -> bytes:
    """A figure in the style of the report's; the same figure gives the same bytes."""
    with matplotlib.rc_context(STYLE):
        return saved(draw(), ["svg"])["svg"]


def render(result: dict[str, Any], tables: Sequence[Any], picture: bytes) -> str:
    """The page. `tables` have a caption, a head and rows of texts; all texts are escaped, the plot is an image."""
    return (
        templates()
        .get_template("study.html")
        .render(
            style=Markup("".join((TEMPLATES / name).read_text("utf-8") for name in STYLES)),
            result=result,
            tables=tables,
            picture=base64.b64encode(picture).decode(),
        )
    )
