"""Markers of the plots: a colour and a shape for every family, so that neither is needed alone."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle

from markupsafe import Markup

from bench.show.report.group import Group
from bench.show.report.svg import element, number, path
from bench.store.stored_cell import StoredCell

Place = Callable[[StoredCell], tuple[float, float]]  # coordinates of a cell in a plot
SHAPES = ("circle", "square", "triangle", "diamond", "star", "down", "pentagon", "cross", "hexagon")
STYLES = {"DDIM": 0, "DPM-Solver++": 1, "FORA": 2, "DeepCache": 3, "L2C": 4, "DPM-Solver": 5, "DDPM": 6}


COLORS = 8


@dataclass(frozen=True)
class Style:
    """Colour (an index into the Okabe-Ito palette) and shape of a family."""

    color: int
    shape: str


LOOKS = tuple(  # every shape once, then once more in other colours: 72 that differ
    Style((k + 3 * again) % COLORS, shape) for again in range(COLORS) for k, shape in enumerate(SHAPES)
)


def styles(families: list[str]) -> dict[str, Style]:
    """A style for every family: known ones always the same, others in order through what is left."""
    known = {name: STYLES[name] for name in families if name in STYLES}
    free = cycle([k for k in range(len(LOOKS)) if k not in known.values()])
    return {name: LOOKS[known[name] if name in known else next(free)] for name in families}


def dots(group: Group, cells: Iterable[StoredCell], place: Place, looks: dict[str, Style]) -> list[Markup]:
    """The cells that have no marker of their own as small dots, one path a family."""
    marked, spots = {cell.slug for cell in group.shown}, defaultdict(list)
    for cell in cells:
        if cell.slug not in marked:
            x, y = place(cell)
            spots[cell.family].append(f"M{number(x, 1)} {number(y, 1)}h0")
    return [
        element("path", d="".join(own), class_=f"dots c{looks[name].color}", data_family=name)
        for name, own in spots.items()
    ]


# shape: corners, rotation in corners, size, radius of the inner corners and which of every how many they are
_CORNERS = {
    "square": (4, 0.5, 1.25), "triangle": (3, 0.0, 1.3), "diamond": (4, 0.0, 1.3), "star": (10, 0.0, 1.4),
    "down": (3, 1.5, 1.3), "pentagon": (5, 0.0, 1.1), "cross": (12, 0.5, 1.25), "hexagon": (6, 0.0, 1.1),
}  # fmt: skip
_INNER = {"star": (2, 1, 0.45), "cross": (3, 1, 0.5)}  # every how many, which, radius


def marker(shape: str, x: float, y: float, r: float) -> str:
    """Path data of a marker of about equal area for every shape."""
    if shape == "circle":
        return f"M{x - r:.2f} {y:.2f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0Z"
    corners, turn, size = _CORNERS[shape]
    every, which, depth = _INNER.get(shape, (1, -1, 1.0))
    points = []
    for k in range(corners):
        radius = r * size * (depth if k % every == which else 1.0)
        angle = 2 * math.pi * (k + turn) / corners - math.pi / 2
        points.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return path(points, closed=True)
