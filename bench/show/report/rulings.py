"""What the decision says of all settings of a group: a line for every verdict, and for every setting that replaces."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from bench.judge.verdict import VERDICTS
from bench.show.report.group import Group
from bench.show.report.phrases import some


@dataclass(frozen=True)
class RulingLine:
    """Settings of one verdict; of the replaceable ones, those with one and the same replacement."""

    verdict: str
    count: int
    settings: list[str]  # their names, the first of them where there are many


def ruling_lines(group: Group) -> list[RulingLine]:
    """In the order of VERDICTS, the most settings first among equals; none where nothing was ruled."""
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in group.cells:
        if word := group.ruling(cell).word:
            lines[word, group.instead(cell)].append(cell.method)
    order = sorted(lines, key=lambda key: (VERDICTS.index(key[0]), -len(lines[key]), key[1]))
    said = [(word + (f" by {by}" if by else ""), lines[word, by]) for word, by in order]
    return [RulingLine(verdict, len(names), some(names)) for verdict, names in said]
