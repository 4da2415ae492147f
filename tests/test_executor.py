"""The executor: exact on the uncached plan, right for every kind of span, no state between trajectories."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.cost.plan_cost import evaluation_macs
from bench.sampling.executor import Executor
from methods.plan import BRANCH, OFFSET, STATE, Plan, Span, from_mask, uncached
from models.dit import DiT
from models.uvit import UViT


def randomise(model):
    """Official initialisation has zero gates: give every parameter a value, so that every branch counts."""
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["dit", "uvit"])
def model(request):
    if request.param == "dit":
        return randomise(DiT(4, 1, 4, 32, 6, 4, num_classes=10))
    return randomise(UViT(4, 1, 4, 32, 6, 4, num_classes=11))


def inputs(model, k=0, batch=2):
    generator = torch.Generator().manual_seed(k)
    x = torch.randn(batch, *model.latent_shape, generator=generator)
    return x, torch.full((batch,), 900.0 - 10 * k), torch.tensor([3, model.null_label])[:batch]


def outputs(model, plan):
    executor = Executor(model, plan)
    return [executor.evaluate(k, *inputs(model, k)) for k in range(len(plan))]


def forward_with(model, x, t, y, replace):
    """The plain forward pass; `replace(index, out)` may put another tensor in a branch's place."""
    h, c = model.embed(x, t, y)
    skips = {}
    for block in range(model.num_blocks):
        h = model.enter_block(block, h, skips.get(model.skips.get(block)))
        for index in (2 * block, 2 * block + 1):
            h = model.residual(index, h, replace(index, model.branch(index, h, c)), c)
        skips[block] = h
    return model.unembed(h, c)


def test_uncached_plan_is_the_forward_pass(model):
    plan = uncached(3, model.num_branches)
    for k, out in enumerate(outputs(model, plan)):
        assert torch.equal(out, model(*inputs(model, k)))


def test_reused_branches_are_those_of_the_last_computing_evaluation(model):
    mask = np.random.default_rng(0).random((6, model.num_branches)) < 0.5
    mask[0] = True
    kept = {}

    def forward(k):
        def replace(index, out):
            if mask[k, index]:
                kept[index] = out
            return kept[index]

        return forward_with(model, *inputs(model, k), replace)

    for k, out in enumerate(outputs(model, from_mask(mask))):
        assert torch.equal(out, forward(k))


def test_offset_span_adds_what_the_middle_added_before():
    model = randomise(DiT(4, 1, 4, 32, 6, 4, num_classes=10))
    n = model.num_branches
    got = outputs(model, Plan(n, ((), (Span(2, n - 2, OFFSET),))))[1]

    def tokens_at(k, stop):
        h, c = model.embed(*inputs(model, k))
        for j in range(stop):
            h = model.residual(j, h, model.branch(j, h, c), c)
        return h, c

    offset = tokens_at(0, n - 2)[0] - tokens_at(0, 2)[0]
    h, c = tokens_at(1, 2)
    h = h + offset
    for j in (n - 2, n - 1):
        h = model.residual(j, h, model.branch(j, h, c), c)
    assert torch.allclose(got, model.unembed(h, c), rtol=0, atol=1e-5 * got.abs().max())


def test_state_span_on_uvit_keeps_the_long_skips_fresh():
    model = randomise(UViT(4, 1, 4, 32, 6, 4, num_classes=11))
    n, last = model.num_branches, model.num_blocks - 1
    got = outputs(model, Plan(n, ((), (Span(2, n - 2, STATE),))))[1]
    seen = []
    original = model.enter_block
    model.enter_block = lambda block, h, skip: (seen.append((block, h)), original(block, h, skip))[1]
    model(*inputs(model, 0))
    kept = dict(seen)[last]
    h, c = model.embed(*inputs(model, 1))
    for j in (0, 1):
        h = model.residual(j, h, model.branch(j, h, c), c)
    h = original(last, kept, h)
    for j in (n - 2, n - 1):
        h = model.residual(j, h, model.branch(j, h, c), c)
    assert torch.equal(got, model.unembed(h, c))


def test_state_span_that_hides_the_encoder_keeps_its_skips_too():
    """Faster Diffusion's shape: in- and mid-blocks from before, out-blocks computed with the kept skips."""
    model = randomise(UViT(4, 1, 4, 32, 6, 4, num_classes=11))
    encoder = Span(0, 2 * (len(model.in_blocks) + 1), STATE)
    plan = Plan(model.num_branches, ((), (encoder,)))
    executor = Executor(model, plan)
    first = executor.evaluate(0, *inputs(model, 0))
    assert torch.equal(executor.evaluate(1, *inputs(model, 1)), first)  # nothing of U-ViT's input is left
    assert not executor.kept  # freed at its last reading
    tokens, width = model.token_shape()
    assert executor.cache_bytes(1, guided=False) == 4 * tokens * width * (1 + len(model.in_blocks))


def test_extrapolation_continues_a_polynomial():
    model = randomise(DiT(4, 1, 4, 32, 2, 4, num_classes=10))
    values = {}

    def quadratic(index, h, c):
        k = values["k"]
        return torch.full_like(h, float(k * k + index))

    model.branch = quadratic
    reuse = (Span(0, model.num_branches, BRANCH, order=2),)
    executor = Executor(model, Plan(model.num_branches, ((), (), (), reuse)))
    for k in range(4):
        values["k"] = k
        out = executor.evaluate(k, *inputs(model, k))
    # backward differences of k^2 at k = 2 are 4, 3, 2, so one evaluation on: 4 + 3 + 2/2! = 8
    values["k"] = 8**0.5
    assert torch.allclose(out, model(*inputs(model, 3)), atol=1e-5)


def test_no_state_survives_a_trajectory(model):
    plan = from_mask([[True] * model.num_branches, [False] * model.num_branches])
    executor = Executor(model, plan)
    first = [executor.evaluate(k, *inputs(model, k)) for k in range(2)]
    assert not executor.kept  # read for the last time, freed
    executor.reset()
    again = [executor.evaluate(k, *inputs(model, k)) for k in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_nothing_is_kept_that_no_later_evaluation_reads(model):
    n = model.num_branches
    executor = Executor(model, uncached(4, n))
    for k in range(4):
        executor.evaluate(k, *inputs(model, k))
    assert not executor.kept
    one = np.ones((4, n), dtype=bool)
    one[2, 3] = False
    executor = Executor(model, from_mask(one))
    kept = []
    for k in range(4):
        executor.evaluate(k, *inputs(model, k))
        kept.append(len(executor.kept))
    assert kept == [0, 1, 0, 0]


@pytest.mark.parametrize("keep", [BRANCH, STATE, OFFSET])
def test_macs_from_the_plan_equal_the_flop_counter(model, keep):
    n = model.num_branches
    span = Span(3, n - 1) if keep == BRANCH else Span(2, n - 2, keep)
    plan = Plan(n, ((), (span,)))
    executor = Executor(model, plan)
    for k in range(2):
        # as plain matrix products: not every torch counts the CPU's fused attention kernel
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            executor.evaluate(k, *inputs(model, k, batch=1))
        assert counter.get_total_flops() == 2 * evaluation_macs(model, plan, k)


def test_plans_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="nothing to reuse"):
        Plan(4, ((Span(0, 1),),))
    with pytest.raises(ValueError, match="overlaps"):
        Plan(4, ((), (Span(0, 3), Span(2, 4))))
    with pytest.raises(ValueError, match="even branches"):
        Plan(4, ((), (Span(1, 3, STATE),)))
    with pytest.raises(ValueError, match="must have one order"):
        Plan(4, ((), (Span(0, 1),), (Span(0, 1, order=1),)))
    with pytest.raises(ValueError, match="plan of 4 branches"):
        Executor(randomise(DiT(4, 1, 4, 32, 6, 4, num_classes=10)), uncached(2, 4))


def test_conditioning_prepared_for_a_trajectory_is_the_same(model):
    plan = from_mask([[True] * model.num_branches, [False] * model.num_branches, [True] * model.num_branches])
    plain = outputs(model, plan)
    executor = Executor(model, plan)
    labels = inputs(model)[2]
    executor.begin([float(inputs(model, k)[1][0]) for k in range(len(plan))], labels)
    for k, expected in enumerate(plain):
        assert (executor.evaluate(k, *inputs(model, k)) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_tables_that_would_be_too_large_are_not_made(monkeypatch):
    monkeypatch.setattr("models.dit.TABLE_BYTES", 1000)
    model = randomise(DiT(4, 1, 4, 32, 2, 4, num_classes=10))
    assert model.conditions([900.0, 100.0], torch.tensor([1, 2])) == [None, None]
