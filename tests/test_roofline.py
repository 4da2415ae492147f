"""The roofline against the published arithmetic: FORA on DiT-XL/2 in bf16 on an H200, and small plans by hand."""

import pytest
import torch

import models
from bench.cost.plan_cost import plan_macs
from bench.cost.roofline import Rates, ideal_seconds, ideal_speedup, reuse_passes, runs, weight_values
from methods.plan import OFFSET, STATE, Plan, Span, uncached
from models.dit import DiT
from models.uvit import UViT

H200 = {64: Rates(0.65 * 395e12, 4.3e12), 8: Rates(0.65 * 395e12, 4.3e12), 1: Rates(0.40 * 395e12, 4.3e12)}


@pytest.fixture(scope="module")
def xl():
    with torch.device("meta"):
        return models.spec("dit-xl-2").architecture(**models.spec("dit-xl-2").config)


def fora(model, steps, interval):
    reuse = (Span(0, model.num_branches),)
    full = lambda k: k == 0 or (steps - 1 - k) % interval == 0  # noqa: E731
    return Plan(model.num_branches, tuple(() if full(k) else reuse for k in range(steps)))


def tiny_dit():
    return DiT(input_size=8, patch_size=2, in_channels=2, hidden_size=16, depth=4, num_heads=2, num_classes=3)


def tiny_uvit():
    return UViT(img_size=8, patch_size=2, in_chans=2, embed_dim=16, depth=4, num_heads=2, num_classes=4)


@pytest.mark.parametrize(
    ("batch", "interval", "expected"),
    [(64, 2, 1.892), (64, 3, 2.693), (64, 5, 4.275), (8, 3, 2.693), (1, 3, 2.725)],
)
def test_fora_on_an_h200(xl, batch, interval, expected):
    """The published figures count 2 tensors a block; here the tokens' own two passes come on top."""
    found = ideal_speedup(xl, fora(xl, 50, interval), batch, True, 2, H200[batch])
    assert found == pytest.approx(expected, rel=0.005)
    assert found < expected + 0.0005


def test_the_floor_of_the_uncached_sampler(xl):
    """0.601 ms a step at batch 1 in arithmetic, at most 0.313 ms for weights: arithmetic binds."""
    seconds = ideal_seconds(xl, uncached(50, xl.num_branches), 1, True, 2, Rates(395e12, 4.3e12))
    assert seconds == pytest.approx(50 * 0.601e-3, rel=1e-3)


def test_weights_bind_where_a_small_batch_meets_fast_arithmetic(xl):
    plan, rates = uncached(1, xl.num_branches), Rates(1e18, 4.3e12)
    blocks = sum(
        p.numel() for name, p in xl.named_parameters() if p.ndim == 2 and (".attn." in name or ".mlp." in name)
    )
    assert weight_values(xl, plan, 0) == pytest.approx(blocks, rel=2e-3)  # adaLN and embedding are all but free
    assert ideal_seconds(xl, plan, 1, True, 2, rates) == pytest.approx(2 * blocks / 4.3e12, rel=2e-3)


def test_passes_of_a_fused_run():
    dit, uvit = tiny_dit(), tiny_uvit()
    assert reuse_passes(dit, Span(0, 8)) == 8 + 2
    assert reuse_passes(dit, Span(2, 3, order=2)) == 3 + 2
    assert reuse_passes(dit, Span(2, 6, STATE)) == 1
    assert reuse_passes(dit, Span(2, 6, OFFSET)) == 1 + 2
    assert runs(uvit, Span(0, 10)) == [(0, 6), (6, 8), (8, 10)]  # blocks 3 and 4 join long skips
    assert reuse_passes(uvit, Span(0, 10)) == 3 * (1 + 2)


def test_without_memory_traffic_it_is_the_mac_ideal():
    model = tiny_dit()
    plan = fora(model, 6, 3)
    ideal = plan_macs(model, uncached(6, 8)) / plan_macs(model, plan)
    assert ideal_speedup(model, plan, 4, True, 4, Rates(1e9, 1e30)) == pytest.approx(ideal)
    assert ideal_speedup(model, plan, 4, True, 4, Rates(1e9, 1e10)) < ideal
    assert ideal_speedup(model, uncached(6, 8), 4, True, 4, Rates(1e9, 1e10)) == 1


def test_rates_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        Rates(0, 1)
