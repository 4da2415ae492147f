"""Plans drawn: evaluations across, branches down, attention and MLP apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from bench.schema.plan_marks import MARKS, Mark
from bench.show.report.format import figure, percent
from bench.show.report.group import Group
from bench.show.report.svg import element, number, runs
from bench.store.stored_cell import StoredCell

WIDTH, HEIGHT = 300, 6  # of all evaluations, and of one branch
GAP = 8  # between the attention and the MLP panel
MARGIN = 34  # for the panels' names
# On paper; the page has its own.
COLORS = {"#": "#0072b2", ".": "#dbe5ec", "s": "#e69f00", "o": "#cc79a7", "+": "#009e73"}


@dataclass(frozen=True)
class HeatMap:
    """One plan as a picture with its caption."""

    name: str
    caption: str
    svg: Markup


def heat_maps(group: Group) -> list[HeatMap]:
    """The plans of a group's cached cells, as far as they are shown."""
    return [heat_map(cell) for cell in group.shown if has_plan(cell)]


def has_plan(cell: StoredCell) -> bool:
    """Whether there is something to draw: uncached cells compute everything."""
    return cell.is_cached and bool(cell.plan.rows)


def heat_map(cell: StoredCell) -> HeatMap:
    return HeatMap(cell.method, caption(cell), draw(cell))


def legend_of(cells: Sequence[StoredCell]) -> list[tuple[str, str]]:
    """(class, meaning) of the marks that occur."""
    return [(mark.name, mark.meaning) for mark in used_marks(cell.plan.rows for cell in cells)]


def used_marks(plans: Iterable[Iterable[str]]) -> list[Mark]:
    """The marks that occur in some plans' rows."""
    used = set("".join({row for rows in plans for row in rows}))
    return [mark for mark in MARKS.values() if mark.character in used]


def caption(cell: StoredCell) -> str:
    """`33 % computed, 2.35× measured`."""
    speedup = cell.timing.speedup
    shown = f", {figure(speedup.median)}× measured" if speedup else ""
    return f"{percent(cell.plan.branches_computed, 0)} computed{shown}"


def draw(cell: StoredCell) -> Markup:
    """The plan of one cell: attention branches of blocks 1, 2, … above, MLP branches below."""
    rows = cell.plan.rows
    blocks = len(rows[0]) // 2
    panel = HEIGHT * blocks
    parts = []
    for kind, text in enumerate(("attn", "MLP")):
        top = kind * (panel + GAP)
        place = f"translate({MARGIN} {top}) scale({number(WIDTH / len(rows), 4)} {HEIGHT})"
        columns = [row[kind::2] for row in rows]
        for mark in used_marks([columns]):
            parts.append(element("path", d=_path(columns, mark.character), class_=mark.name, transform=place))
        parts.append(element("text", text, x=MARGIN - 5, y=top + panel / 2 + 4, class_="tick end"))
        parts.append(element("rect", x=MARGIN, y=top, width=WIDTH, height=panel, class_="frame"))
    title = f"Plan of {cell.method}: {caption(cell)}; {len(rows)} evaluations across, {blocks} blocks down"
    return element(
        "svg", element("title", title), *parts, class_="plan", role="img", aria_label=title,
        viewBox=f"0 -1 {MARGIN + WIDTH + 1} {2 * panel + GAP + 2}",
    )  # fmt: skip


def _path(columns: list[str], mark: str) -> str:
    """Rectangles over unbroken runs of `mark` down the blocks, as path data; evaluations that are alike are one.

    columns[k][j]: evaluation, block; each is one unit wide and high.
    """
    rectangles, x = [], 0
    for column, alike in groupby(columns):
        width = len(list(alike))
        rectangles += [f"M{x} {start}h{width}v{stop - start}h-{width}z" for start, stop in runs(column, mark)]
        x += width
    return "".join(rectangles)
