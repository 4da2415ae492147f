"""Work of a plan: multiply-accumulates and kept bytes, from the structure alone."""

from __future__ import annotations

from methods.plan import BRANCH, Plan
from models.denoiser import Denoiser


def plan_macs(model: Denoiser, plan: Plan) -> int:
    """MACs of one unguided image's trajectory: matmuls, convolutions and attention products."""
    return sum(evaluation_macs(model, plan, k) for k in range(len(plan)))


def evaluation_macs(model: Denoiser, plan: Plan, k: int) -> int:
    """MACs of one unguided image at evaluation k."""
    whole = [span for span in plan.rows[k] if span.keep != BRANCH]
    total = model.embed_macs()
    for j in range(model.num_branches):
        if any(span.start <= j < span.stop for span in whole):
            continue
        if j % 2 == 0:
            total += model.enter_block_macs(j // 2)
        total += model.residual_macs(j) + (model.branch_macs(j) if plan.computed[k, j] else 0)
    return total
