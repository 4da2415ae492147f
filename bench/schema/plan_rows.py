"""A plan as rows of marks: one string an evaluation, one character a branch."""

from __future__ import annotations

from methods.plan import BRANCH, CHANGE, OFFSET, OUTPUT, STATE, Plan

MARKS = {BRANCH: ".", STATE: "s", OFFSET: "o", OUTPUT: "s", CHANGE: "o"}  # "#" is a computed branch
PART = "+"  # reused, but for some tokens or images


MEANINGS = {
    "#": "computed",
    ".": "reused branch",
    "s": "skipped, state kept",
    "o": "skipped, offset kept",
    PART: "reused, in part computed",
}


LEGEND = "   ".join(f"{mark} {meaning}" for mark, meaning in MEANINGS.items())


def rows(plan: Plan) -> list[str]:
    """One string an evaluation, one character a branch."""
    lines = []
    for spans in plan.rows:
        line = ["#"] * plan.branches
        for span in spans:
            mark = PART if span.fresh else MARKS[span.keep]
            line[span.start : span.stop] = mark * (span.stop - span.start)
        lines.append("".join(line))
    return lines
