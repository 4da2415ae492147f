"""Work of a plan: multiply-accumulates and kept bytes, from the structure alone."""

from __future__ import annotations

from collections import Counter

from methods.plan import BRANCH, GUIDANCE, WHOLE, Plan, uncached
from models.structure import Structure


def decides_later(plan: Plan) -> bool:
    """Whether a policy decides during sampling what is reused: the work counted is then the most there can be."""
    return plan.policy is not None and bool(plan.policy.slots)


def plan_macs(model: Structure, plan: Plan) -> int:
    """MACs of one unguided image's trajectory: matmuls, convolutions and attention products."""
    return sum(count * evaluation_macs(model, plan, k) for k, count in distinct_evaluations(plan))


def distinct_evaluations(plan: Plan) -> list[tuple[int, int]]:
    """(an evaluation, how many reuse exactly what it reuses): equal rows cost alike, and a plan has few kinds."""
    looked = [tuple(j for k, j in plan.looked if k == evaluation) for evaluation in range(len(plan))]
    kinds = list(zip(plan.rows, looked, strict=True))
    example = {kind: k for k, kind in enumerate(kinds)}
    return [(example[kind], count) for kind, count in Counter(kinds).items()]


def evaluation_macs(model: Structure, plan: Plan, k: int) -> int:
    """MACs of one unguided image at evaluation k, with the branches that a policy ran to decide."""
    looked = sum(model.branch_macs(j) + model.residual_macs(j) for evaluation, j in plan.looked if evaluation == k)
    keep = plan.rows[k][0].keep if plan.rows[k] else BRANCH
    if keep == GUIDANCE:  # one half of two in full
        return looked + evaluation_macs(model, uncached(1, plan.branches), 0) // 2
    if keep in WHOLE:
        return looked
    whole = [span for span in plan.rows[k] if span.keep != BRANCH]
    total = model.embed_macs() + looked
    for j in range(model.num_branches):
        if any(span.start <= j < span.stop for span in whole):
            continue
        if j % 2 == 0:
            total += model.enter_block_macs(j // 2)
        total += model.residual_macs(j) + round(plan.shares[k, j] * model.branch_macs(j))
    return total
