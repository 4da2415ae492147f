"""The compiled path against the plain one: every registered method, sampler and architecture, and any plan."""

import functools

import pytest
import torch
from golden_vectors import relative
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conformance import CACHES, MODELS, SAMPLERS, label, randomised

import methods
from bench.sampling import balanced_labels, make_plan, sample, seeded_noise
from bench.sampling.compiled import Execution, prepare
from bench.sampling.compiled.folding import fold
from methods.plan import BRANCH, OFFSET, OUTPUT, STATE, Plan, Span, uncached
from models.dit import DiT
from models.errors import InputError
from models.uvit import UViT

STEPS = 6
TOLERANCE = 1e-5  # of max|plain|, float32
PLAIN = Execution("plain")


def trajectory(model, sampler, plan, path="compiled", batch=2, scale=1.5, images=None, **settings):
    indices = range(images or batch)
    noise, labels = seeded_noise(indices, model.latent_shape), balanced_labels(indices, 10)
    dtype = next(model.parameters()).dtype
    run = prepare(model, sampler, plan, batch=batch, guidance_scale=scale, options=Execution(path), **settings)
    return run(noise.to(dtype), labels)


def compare(model, sampler, plan, **settings):
    """Largest relative difference of the two paths, in float64 where only the formulas can differ, and in float32."""
    return relative(trajectory(model, sampler, plan, **settings), trajectory(model, sampler, plan, "plain", **settings))


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


@pytest.fixture(params=SAMPLERS, ids=label)
def sampler(request):
    name, params = request.param
    return methods.build(name, steps=STEPS, **params)


@pytest.mark.parametrize("name", [None, *CACHES])
def test_it_agrees_with_the_plain_path(model, sampler, name):
    cache = name and methods.build(name, **methods.find(name).tiny_params(model, sampler))
    plan = make_plan(model, sampler, cache)
    assert compare(model, sampler, plan) <= TOLERANCE
    if name is not None:
        exact = methods.find(name).exact_params(model, sampler)
        if exact is not None:
            full = trajectory(model, sampler, uncached(len(plan), plan.branches))
            assert torch.equal(
                full, trajectory(model, sampler, make_plan(model, sampler, methods.build(name, **exact)))
            )


@pytest.mark.parametrize("settings", [
    {"batch": 1}, {"batch": 5}, {"batch": 3, "scale": 1.0}, {"batch": 2, "guidance_channels": 3},
    {"batch": 4, "images": 3},
], ids=str)  # fmt: skip
def test_batches_and_guidance(model, settings):
    sampler = methods.build("ddim", steps=STEPS)
    assert (
        compare(model, sampler, make_plan(model, sampler, methods.build("fora", interval=2)), **settings) <= TOLERANCE
    )


@st.composite
def plans(draw, model):
    """Any plan: disjoint spans of every kind, each kind with an order of its own."""
    kinds = (BRANCH, OFFSET, STATE) if model.skips else (BRANCH, OFFSET)
    order = {kind: draw(st.integers(0, 2)) for kind in kinds}
    rows = [()]
    for _ in range(STEPS - 1):
        row, end = [], 0
        for block, length in sorted(draw(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4)), max_size=3))):
            keep, ragged = draw(st.sampled_from(kinds)), draw(st.integers(0, 1))
            start, stop = 2 * block + (ragged if keep == BRANCH else 0), min(2 * (block + length), model.num_branches)
            if end <= start < stop:
                row.append(Span(start, stop, keep, order[keep]))
                end = stop
        rows.append(tuple(row))
    return Plan(model.num_branches, tuple(rows))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", MODELS)
def test_any_plan(name, data):
    """The largest difference is that of float32 rounding; plans that extrapolate amplify it, so they run in float64."""
    model, sampler = double(name), methods.build("ddim", steps=STEPS)
    assert compare(model, sampler, data.draw(plans(model))) <= 1e-9


@functools.cache
def double(name):
    """The same model in float64: what differs then is the formula, not the rounding."""
    model = {"dit": DiT(4, 1, 4, 32, 6, 4, num_classes=10), "uvit": UViT(4, 1, 4, 32, 6, 4, num_classes=11)}[name]
    return randomised(model).double()


@pytest.mark.parametrize("name", [None, *CACHES])
def test_bfloat16_stays_near_float32(model, name):
    """The state stays in float32, so bfloat16 costs the denoiser's own rounding alone."""
    sampler = methods.build("ddim", steps=STEPS)
    cache = name and methods.build(name, **methods.find(name).tiny_params(model, sampler))
    plan = make_plan(model, sampler, cache)
    half = type(model)(**CONFIGS[type(model)]).bfloat16().eval().requires_grad_(False)
    half.load_state_dict(model.state_dict())
    exact, low = trajectory(model, sampler, plan), trajectory(half, sampler, plan).float()
    assert relative(low, exact) <= 2e-2


CONFIGS = {
    DiT: {"input_size": 4, "patch_size": 1, "hidden_size": 32, "depth": 6, "num_heads": 4, "num_classes": 10},
    UViT: {"img_size": 4, "patch_size": 1, "in_chans": 4, "embed_dim": 32, "depth": 6, "num_heads": 4,
           "num_classes": 11, "conv": False},
}  # fmt: skip


def test_a_linear_sampler_is_two_numbers_a_step_and_others_run_their_own_formula():
    model = MODELS["dit"]
    updates = fold(methods.build("ddim", steps=STEPS), model, STEPS)
    assert [len(update.terms) for update in updates] == [2] * STEPS
    assert fold(methods.build("ddim", steps=STEPS, clip_denoised=True), model, STEPS) is None
    assert fold(methods.build("ddpm", steps=STEPS), model, STEPS) is None  # reads DiT's learned variances
    assert fold(methods.build("ddpm", steps=STEPS), MODELS["uvit"], STEPS) is not None


@pytest.mark.parametrize(("name", "params"), [("ddim", {"eta": 0.7}), ("ddim", {"clip_denoised": True}), ("ddpm", {})])
def test_given_step_noise(model, name, params):
    sampler = methods.build(name, steps=STEPS, **params)
    noise, labels = seeded_noise(range(2), model.latent_shape), balanced_labels(range(2), 10)
    own = torch.randn(STEPS, 2, *model.latent_shape, generator=torch.Generator().manual_seed(1))
    settings = {"noise": noise, "labels": labels, "guidance_scale": 1.5, "step_noise": own}
    assert relative(sample(model, sampler, **settings), sample(model, sampler, options=PLAIN, **settings)) <= TOLERANCE


class Louder(DiT):
    """A third party's variation of an architecture that has a fast form."""

    def branch(self, index, h, c):
        return 2 * super().branch(index, h, c)


def test_a_denoiser_without_a_fast_form_runs_by_its_own_pieces():
    sampler, model = methods.build("ddim", steps=STEPS), randomised(Louder(**CONFIGS[DiT]))
    plan = make_plan(model, sampler, methods.build("fora", interval=2))
    assert compare(model, sampler, plan) <= TOLERANCE
    assert relative(trajectory(model, sampler, plan), trajectory(MODELS["dit"], sampler, plan)) > 0.01


def test_nothing_survives_a_trajectory(model):
    sampler = methods.build("ddim", steps=STEPS)
    plan = make_plan(model, sampler, methods.build("fora", interval=3))
    run = prepare(model, sampler, plan, batch=2, guidance_scale=1.5)
    noise, labels = seeded_noise(range(4), model.latent_shape), balanced_labels(range(4), 10)
    first = run(noise[:2], labels[:2])
    run(noise[2:], labels[2:])
    assert torch.equal(first, run(noise[:2], labels[:2]))
    held = [v for v in vars(run.network).values() if isinstance(v, torch.Tensor)]
    parameters = sum(p.numel() for p in model.parameters())
    assert sum(v.numel() for v in held) < parameters / 4  # folded weights alone


@pytest.mark.parametrize("together", [1, 2, 4])
def test_modulations_are_an_evaluation_s_own_where_the_one_before_embeds_nothing(together, monkeypatch):
    """They are made for some evaluations at once, and the first of those may restore an output."""
    model, sampler = MODELS["dit"], methods.build("ddim", steps=STEPS)
    row_bytes = 3 * 6 * model.num_blocks * model.width * 4  # of two labels and none
    monkeypatch.setattr("bench.sampling.compiled.dit.TABLE_BYTES", together * row_bytes)
    whole = (Span(0, model.num_branches, OUTPUT),)
    plan = Plan(model.num_branches, ((), (), whole, (), whole, ()))
    assert compare(model, sampler, plan) <= TOLERANCE


def test_settings_that_do_not_fit_are_refused(model):
    sampler = methods.build("ddim", steps=STEPS)
    with pytest.raises(InputError, match="the plan has 3 rows, the sampler makes 6 evaluations"):
        prepare(model, sampler, uncached(3, model.num_branches), batch=1)
    with pytest.raises(InputError, match="unknown execution 'fast'"):
        Execution("fast")
    with pytest.raises(InputError, match="neither"):
        Execution("plain", cuda_graphs=True)
