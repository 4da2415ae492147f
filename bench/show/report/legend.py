"""The legend of a group's plots: every family with its marker."""

from dataclasses import dataclass

from markupsafe import Markup

from bench.show.report.group import Group
from bench.show.report.markers import marker, styles
from bench.show.report.svg import element


@dataclass(frozen=True)
class Family:
    """An entry of a plot's legend."""

    name: str
    note: str
    swatch: Markup


def legend(group: Group) -> list[Family]:
    """The families of a group with their markers."""
    cached = {c.family for c in group.cells if c.is_cached}
    entries = []
    for name, style in styles(group.families).items():
        mark = element("path", d=marker(style.shape, 16, 9, 6), class_="mark")
        line = [] if name in cached else [element("path", d="M0 9H32", class_=f"curve c{style.color}")]
        svg = element("svg", *line, mark, viewBox="0 0 32 18", class_=f"swatch c{style.color}", aria_hidden="true")
        entries.append(Family(name, "" if name in cached else "fewer-steps curve", svg))
    return entries
