"""A plan as rows of marks: one string an evaluation, one character a branch."""

from __future__ import annotations

from bench.schema import plan_marks
from methods.plan import BRANCH, CHANGE, GUIDANCE, OFFSET, OUTPUT, STATE, Plan

# The mark of what a span keeps.
KEPT = {
    BRANCH: plan_marks.REUSED,
    STATE: plan_marks.SKIPPED,
    OFFSET: plan_marks.OFFSET,
    OUTPUT: plan_marks.SKIPPED,
    CHANGE: plan_marks.OFFSET,
    GUIDANCE: plan_marks.PARTIAL,
}


def rows(plan: Plan) -> list[str]:
    """One string an evaluation, one character a branch."""
    lines = []
    for spans in plan.rows:
        line = [plan_marks.COMPUTED.character] * plan.branches
        for span in spans:
            mark = plan_marks.PARTIAL if span.fresh else KEPT[span.keep]
            line[span.start : span.stop] = mark.character * (span.stop - span.start)
        lines.append("".join(line))
    return lines
