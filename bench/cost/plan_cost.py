"""Work of a plan: multiply-accumulates and kept bytes, from the structure alone."""

from __future__ import annotations

from collections import Counter

from methods.plan import BRANCH, WHOLE, Plan
from models.structure import Structure


def plan_macs(model: Structure, plan: Plan) -> int:
    """MACs of one unguided image's trajectory: matmuls, convolutions and attention products."""
    return sum(count * evaluation_macs(model, plan, k) for k, count in distinct_evaluations(plan))


def distinct_evaluations(plan: Plan) -> list[tuple[int, int]]:
    """(an evaluation, how many reuse exactly what it reuses): equal rows cost alike, and a plan has few kinds."""
    example = {row: k for k, row in enumerate(plan.rows)}
    return [(example[row], count) for row, count in Counter(plan.rows).items()]


def evaluation_macs(model: Structure, plan: Plan, k: int) -> int:
    """MACs of one unguided image at evaluation k."""
    if plan.rows[k] and plan.rows[k][0].keep in WHOLE:
        return 0
    whole = [span for span in plan.rows[k] if span.keep != BRANCH]
    total = model.embed_macs()
    for j in range(model.num_branches):
        if any(span.start <= j < span.stop for span in whole):
            continue
        if j % 2 == 0:
            total += model.enter_block_macs(j // 2)
        total += model.residual_macs(j) + round(plan.shares[k, j] * model.branch_macs(j))
    return total
