"""Direct labels in a plot: each where it covers neither a marker nor another label, or not at all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

CHARACTER, LINE, GAP = 6.3, 12.0, 10.0  # width of a character, height of a line, distance from the marker
SQUARE = 24.0  # of the grid
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Label:
    """A text that belongs to the marker at x, y."""

    text: str
    x: float
    y: float
    family: str


def place_labels(
    labels: Sequence[Label], markers: Sequence[tuple[float, float]], frame: Box, character: float = CHARACTER
) -> list[tuple[Label, float, float]]:
    """(label, left end, baseline) of the labels that fit inside `frame`, in their order of preference."""
    taken = _Taken((x - 7, y - 7, x + 7, y + 7) for x, y in markers)
    placed = []
    for label in labels:
        for box in _candidates(label, character):
            if _inside(box, frame) and taken.is_free(box):
                taken.add(box)
                placed.append((label, box[0], box[3] - 3))
                break
    return placed


class _Taken:
    """Boxes by the squares of a grid that they touch, so that whether one is free does not take looking at all."""

    def __init__(self, boxes: Iterable[Box]) -> None:
        self.squares: dict[tuple[int, int], list[Box]] = defaultdict(list)
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        for square in self._touched(box):
            self.squares[square].append(box)

    def is_free(self, box: Box) -> bool:
        near = (self.squares[square] for square in self._touched(box) if square in self.squares)
        return not any(_overlap(box, other) for boxes in near for other in boxes)

    @staticmethod
    def _touched(box: Box) -> Iterator[tuple[int, int]]:
        left, top, right, bottom = (int(end // SQUARE) for end in box)
        return ((x, y) for x in range(left, right + 1) for y in range(top, bottom + 1))


def _candidates(label: Label, character: float) -> list[Box]:
    """Boxes right, above, below, left and diagonal of the marker, each beside it."""
    w, h = character * len(label.text), LINE
    x, y = label.x, label.y
    corners = [
        (x + GAP, y - h / 2), (x - w / 2, y - GAP - h), (x - w / 2, y + GAP), (x - GAP - w, y - h / 2),
        (x + 7, y - 7 - h), (x + 7, y + 7), (x - 7 - w, y - 7 - h), (x - 7 - w, y + 7),
    ]  # fmt: skip
    return [(left, top, left + w, top + h) for left, top in corners]


def _inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
