"""The floor that the executor's benchmark states does the products of the plan: no fewer, no more."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from bench.benchmarks.products import Products
from methods.plan import from_mask
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
