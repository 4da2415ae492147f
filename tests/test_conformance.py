"""What every registered method must do, on both architectures: a new file in methods/ is tested unedited."""

import numpy as np
import pytest
import torch

import methods
from bench.cost.plan_cost import plan_macs
from bench.sampling import balanced_labels, make_plan, sample, seeded_noise
from methods.plan import Plan, uncached
from models.dit import DiT
from models.errors import InputError
from models.uvit import UViT

STEPS = 6
SAMPLERS = [
    *((name, {}) for name in methods.names("sampler")),
    ("dpm-solver", {"variant": "singlestep", "order": 3}),
    ("dpm-solver++", {"variant": "singlestep", "order": 2}),
    ("dpm-solver++", {"variant": "uvit-singlestep"}),
    ("dpm-solver++", {"variant": "uvit-fast"}),
]
CACHES = methods.names("cache")


def randomised(model):
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval().requires_grad_(False)


MODELS = {
    "dit": randomised(DiT(4, 1, 4, 32, 6, 4, num_classes=10)),
    "uvit": randomised(UViT(4, 1, 4, 32, 6, 4, num_classes=11, conv=False)),
}


def label(case):
    return "-".join([case[0], *(str(v) for v in case[1].values())])


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


@pytest.fixture(params=SAMPLERS, ids=label)
def sampler(request):
    name, params = request.param
    return methods.build(name, steps=STEPS, **params)


def run(model, sampler, cache=None, indices=range(2), **settings):
    noise, labels = seeded_noise(indices, model.latent_shape), balanced_labels(indices, 10)
    return sample(model, sampler, cache, noise=noise, labels=labels, guidance_scale=1.5, **settings)


@pytest.mark.parametrize("name", methods.names())
def test_a_method_is_described_and_declared(name):
    method = methods.find(name)
    assert name == name.lower().replace(" ", "")
    assert method.__doc__
    assert method.kind in ("sampler", "cache")
    assert set(method.tiny) <= set(method.parameters)
    with pytest.raises(InputError, match=f"unknown parameter of {name}".replace("+", r"\+")):
        methods.build(name, nonsense=1)


def test_a_sampler_makes_exactly_the_evaluations_it_announced(model, sampler):
    announced = sampler.evaluations(model.noise_schedule)
    seen = []
    out = run(model, sampler, callback=lambda k, t, x, out: seen.append((k, t, x.shape, out.shape[0])))
    assert [(k, t) for k, t, *_ in seen] == [(k, e.timestep) for k, e in enumerate(announced)]
    assert all(shape == (2, *model.latent_shape) and batch == 2 for *_, shape, batch in seen)
    assert out.shape == (2, *model.latent_shape)
    assert torch.isfinite(out).all()


def test_the_same_seeds_give_the_same_samples(model, sampler):
    first = run(model, sampler)
    assert torch.equal(first, run(model, sampler))
    alone = torch.cat([run(model, sampler, indices=[i]) for i in range(2)])
    assert (first - alone).abs().max() <= 1e-5 * first.abs().max()  # seeds do not depend on the batch


@pytest.mark.parametrize("name", CACHES)
def test_a_plan_fits_and_its_first_evaluation_computes_everything(model, sampler, name):
    cache = methods.build(name, **methods.find(name).tiny_params(model, sampler))
    plan = make_plan(model, sampler, cache)
    evaluations = sampler.evaluations(model.noise_schedule)
    assert isinstance(plan, Plan)
    assert plan.computed.shape == (len(evaluations), model.num_branches)
    assert plan.computed.dtype == np.bool_
    assert plan.computed[0].all()
    assert plan == make_plan(model, sampler, cache)
    assert plan_macs(model, plan) <= plan_macs(model, uncached(len(evaluations), model.num_branches))


@pytest.mark.parametrize("name", CACHES)
def test_the_exact_setting_equals_the_uncached_sampler_bit_for_bit(model, sampler, name):
    exact = methods.find(name).exact_params(model, sampler)
    if exact is None:
        assert methods.find(name).exact is None  # a method without an exact setting says so
        return
    assert torch.equal(run(model, sampler), run(model, sampler, methods.build(name, **exact)))


@pytest.mark.parametrize("name", CACHES)
def test_a_cached_trajectory_is_finite_and_leaves_the_denoiser_as_it_was(model, sampler, name):
    before = run(model, sampler)
    cached = run(model, sampler, methods.build(name, **methods.find(name).tiny_params(model, sampler)))
    assert torch.isfinite(cached).all()
    assert cached.shape == before.shape
    assert torch.equal(before, run(model, sampler))


@pytest.mark.parametrize("name", CACHES)
@pytest.mark.parametrize(
    "small", [DiT(4, 2, 4, 32, 1, 4, num_classes=10), UViT(4, 2, 4, 32, 1, 4, num_classes=11)], ids=["dit", "uvit"]
)
def test_a_model_of_one_block_runs_or_is_refused_with_a_reason(small, name):
    model, sampler = randomised(small), methods.build("ddim", steps=STEPS)
    cache = methods.build(name, **methods.find(name).tiny_params(model, sampler))
    reason = cache.supports(model, sampler)
    if reason is None:
        assert torch.isfinite(run(model, sampler, cache)).all()
    else:
        assert reason.startswith(f"{name}: ")
