"""Trajectories of one model share the copy of its weights that they multiply by, and never an outdated one."""

import gc
import weakref

import pytest
import torch
from torch import nn

from bench.sampling.compiled.kernels import STORED_VALUES, Product, by_input

Layer = nn.Linear


@pytest.fixture
def layer() -> Layer:
    return nn.Linear(12, 20).requires_grad_(False)


def test_a_second_product_takes_the_first_ones_copy(layer: Layer) -> None:
    first, second = (Product(layer.weight, layer.bias) for _ in range(2))
    assert first.weight is second.weight
    assert torch.equal(first.weight, layer.weight.t())
    assert first.weight.is_contiguous()


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.mul_(2),
        lambda weight: weight.data.mul_(2),
        lambda weight: setattr(weight, "data", torch.randn(20, 12)),
        lambda weight: setattr(weight, "data", torch.randn(12, 12)),
        lambda weight: setattr(weight, "data", weight.data.to(torch.bfloat16)),
    ],
    ids=["in place", "past autograd", "other data", "other shape", "other dtype"],
)
def test_changed_weights_get_a_copy_of_their_own(layer: Layer, change) -> None:
    before = by_input(layer.weight)
    as_it_was = before.clone()
    change(layer.weight)
    after = by_input(layer.weight)
    assert after.dtype == layer.weight.dtype
    assert torch.equal(after, layer.weight.t())
    assert torch.equal(before, as_it_was)


def test_the_copy_goes_with_its_last_product(layer: Layer) -> None:
    products = [Product(layer.weight, layer.bias) for _ in range(2)]
    copy = weakref.ref(products[0].weight)
    products.pop()
    gc.collect()
    assert copy() is not None
    products.clear()
    gc.collect()
    assert copy() is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_weights_are_never_copied(dtype: torch.dtype) -> None:
    """By their numbers, not their bytes: in half precision a copy of DiT-XL/2's projections gains no time either."""
    weight = torch.empty(STORED_VALUES + 1, 1, dtype=dtype)
    assert by_input(weight).data_ptr() == weight.data_ptr()
