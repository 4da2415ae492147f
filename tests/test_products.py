"""The floors that the benchmarks state do the products and the reads of the plan: no fewer, no more."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from bench.benchmarks.products import Products
from bench.benchmarks.realised import ceiling
from bench.benchmarks.reuse_floor import ReuseFloor, computed_share
from bench.cost.plan_cost import plan_macs
from methods.plan import BRANCH, OFFSET, Plan, Span, from_mask, uncached
from models.dit import DiT

STEPS, LABELS = 4, torch.tensor([3, 3, 5])


def attention_flops(q: list[int], k: list[int], v: list[int], *_: object, **__: object) -> int:
    return sdpa_flop_count(q, k, v)


ON_CPU = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_flops}  # which torch does not count


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_products_are_those_of_the_computed_branches(share: float) -> None:
    model = DiT(8, 2, 4, 32, 2, 2).eval().requires_grad_(False)
    computed = np.random.default_rng(0).random((STEPS, model.num_branches)) >= share
    computed[0] = True
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        Products(model, from_mask(computed), LABELS)(torch.empty(0), LABELS)
    shift_and_scale = 2 * 32 * 32  # of a branch's MACs: once an image there, once a distinct label here
    branches = sum(model.branch_macs(j) - shift_and_scale for row in computed for j in np.flatnonzero(row))
    modulations = sum(layer.weight.numel() for layer in model.modulated()) * STEPS * 3  # labels 3, 5 and none
    assert counter.get_total_flops() == 2 * (2 * len(LABELS) * branches + modulations)


def test_the_floor_of_reuse_reads_what_is_kept_and_multiplies_the_tokens_that_are_computed_anew() -> None:
    model = DiT(8, 2, 4, 32, 2, 2).eval().requires_grad_(False)  # 16 tokens, 4 branches
    held = (Span(0, 1, BRANCH, 1), Span(1, 2, BRANCH, 1, fresh=0.25), Span(2, 4, OFFSET))
    plan = Plan(4, ((), (), held, (Span(0, 1, BRANCH, 1),)))
    floor = ReuseFloor(model, plan, LABELS)
    read = [tensor for row in floor.rows for span in row for slot in span.slots() for tensor in floor.kept[slot]]
    assert len(read) == 2 + 2 + 1 + 2, "order + 1 tensors a branch, one for an offset"
    assert all(tensor.shape == (6, 16, 32) for tensor in read)
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        floor()
    assert counter.get_total_flops() == 2 * 6 * 4 * (2 * 4 * 32 * 32), "an MLP on 4 tokens of 6 images"
    whole = plan_macs(model, uncached(4, 4))
    anew = round(0.25 * model.branch_macs(1))
    assert computed_share(model, plan) == pytest.approx((plan_macs(model, plan) - anew) / whole)
    assert computed_share(model, uncached(4, 4)) == 1


def test_a_ceiling_is_the_ideal_over_what_cannot_be_left_out() -> None:
    times = {"uncached": [100, 200], "reuse x": [10, 20]}
    assert ceiling(times, "reuse x", ideal=2.5, share=0.4)["median"] == pytest.approx(40 / 50)
    assert ceiling({**times, "reuse x": [0, 0]}, "reuse x", ideal=2.5, share=0.4)["median"] == 1
