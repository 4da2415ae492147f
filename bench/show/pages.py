"""Templates become pages in one way: what a cell says is escaped, and a name that is not there is an error."""

from __future__ import annotations

import jinja2

from bench.judge.verdict import VERDICTS
from bench.show.glossary import TEMPLATES, anchor, glossary, terms


def templates(folder: str = "") -> jinja2.Environment:
    """The templates of show/templates, those of its `folder` first."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([TEMPLATES / folder, TEMPLATES]), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {
        "verdicts": VERDICTS,
        "glossary": glossary(),
        "anchor": anchor,
    }  # macros see no page's context
    environment.filters["terms"] = terms
    return environment
