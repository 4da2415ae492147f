"""SVG and HTML elements as escaped text: nothing that a cell says can become markup."""

import re
from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *children: object, **attributes: object) -> Markup:
    """`<name attributes>children</name>`, all escaped unless Markup already.

    In attribute names a trailing underscore is dropped and others become hyphens; None leaves one out, True
    gives it no value; floats are rounded to 2 decimals.
    """
    text = "".join(_attribute(key, value) for key, value in attributes.items() if value not in (None, False))
    inside = "".join(map(escape, children))
    return Markup(f"<{name}{text}>{inside}</{name}>")


def _attribute(key: str, value: object) -> str:
    key = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {key}"
    text = number(value) if isinstance(value, float) else escape(value)  # in a number there is nothing to escape
    return f' {key}="{text}"'


def number(value: float, decimals: int = 2) -> str:
    """A coordinate: at most that many decimals, no trailing zeros."""
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")


def path(points: Iterable[tuple[float, float]], closed: bool = False) -> str:
    """Path data of straight lines through `points`."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + ("Z" if closed else "")


def runs(marks: str, wanted: str) -> list[tuple[int, int]]:
    """(start, stop) of every unbroken run of `wanted` in `marks`."""
    return [found.span() for found in re.finditer(f"{re.escape(wanted)}+", marks)]
