"""A plan as rows of marks: one string an evaluation, one character a branch."""

from __future__ import annotations

from methods.plan import BRANCH, OFFSET, STATE, Plan

MARKS = {BRANCH: ".", STATE: "s", OFFSET: "o"}  # "#" is a computed branch


MEANINGS = {"#": "computed", ".": "reused branch", "s": "skipped, state kept", "o": "skipped, offset kept"}


LEGEND = "   ".join(f"{mark} {meaning}" for mark, meaning in MEANINGS.items())


def rows(plan: Plan) -> list[str]:
    """One string an evaluation, one character a branch."""
    lines = []
    for spans in plan.rows:
        line = ["#"] * plan.branches
        for span in spans:
            line[span.start : span.stop] = MARKS[span.keep] * (span.stop - span.start)
        lines.append("".join(line))
    return lines
