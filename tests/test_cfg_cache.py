"""CFG-Cache: which evaluations leave the unconditional half out, what stands for it, and what that costs."""

from types import SimpleNamespace

import pytest
import torch
from golden_vectors import relative

import methods
import models
from bench.cost.plan_cost import plan_macs
from bench.cost.roofline import Rates, ideal_speedup
from bench.sampling import balanced_labels, make_plan, sample, seeded_noise
from bench.sampling.compiled import Execution, prepare
from bench.sampling.executor import Executor
from bench.schema.plan_rows import rows
from methods.plan import GUIDANCE, Plan, Span, uncached
from methods.policy import Decisions, Policy
from models.errors import InputError

SCALE, STEPS, IMAGES = 1.5, 12, 3

PATHS = [Execution(), Execution("plain")]
MODELS = {"dit": models.build("dit-mnist"), "uvit": models.build("uvit-mnist")}  # trained: their halves differ


def settings(model, **params):
    sampler, cache = methods.build("ddim", steps=STEPS), methods.build("cfg-cache", **params)
    return sampler, cache, make_plan(model, sampler, cache)


def inputs(model):
    return {"noise": seeded_noise(range(IMAGES), model.latent_shape), "labels": balanced_labels(range(IMAGES), 10)}


def guided_by_hand(model, sampler, plan, order=0):
    """The same, with a loop of its own: the last differences of both halves, a line through two of them for order 1."""
    given, kept = inputs(model), []
    noise, labels = given["noise"], given["labels"]
    evaluations = sampler.evaluations(model.noise_schedule)

    def network(k, x, y):
        return model(x, torch.full((len(x),), evaluations[k].timestep), y)

    def denoise(k, x):
        cond = network(k, x, labels)
        if plan.rows[k]:
            (last, difference), (before, older) = kept[-1], kept[-2] if len(kept) > 1 else kept[-1]
            slope = (difference - older) / max(1, last - before)
            uncond = cond + difference + (k - last) * slope * (order > 0)
        else:
            uncond = network(k, x, torch.full_like(labels, model.null_label))
            kept.append((k, uncond - cond))
        C = x.shape[1]
        return torch.cat([uncond[:, :C] + SCALE * (cond - uncond)[:, :C], cond[:, C:]], dim=1)

    with torch.inference_mode():
        return sampler.sample(denoise, noise, model.noise_schedule, lambda k: torch.zeros_like(noise))


@pytest.mark.parametrize("options", PATHS, ids=["compiled", "plain"])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", MODELS)
def test_the_difference_of_both_halves_stands_for_the_one_that_is_left_out(name, order, options):
    model = MODELS[name]
    sampler, cache, plan = settings(model, interval=4, start=0.2, order=order)
    samples = sample(model, sampler, cache, **inputs(model), guidance_scale=SCALE, options=options)
    assert relative(samples, guided_by_hand(model, sampler, plan, order)) < 2e-5
    assert relative(samples, sample(model, sampler, **inputs(model), guidance_scale=SCALE)) > 1e-3


@pytest.mark.parametrize("name", ["dit"])
def test_it_is_diffusers_fastercache_without_its_growing_weights(name):
    hooks = pytest.importorskip("diffusers.hooks.faster_cache")
    model = MODELS[name]
    sampler, cache, _ = settings(model, interval=3, start=0.0)
    now, given = SimpleNamespace(timestep=0.0), inputs(model)
    evaluations = sampler.evaluations(model.noise_schedule)

    class Wrapped(torch.nn.Module):
        def forward(self, hidden_states, timestep, encoder_hidden_states):
            return (model(hidden_states, timestep, encoder_hidden_states),)

    wrapped, one = Wrapped(), lambda module: 1.0
    hooks.apply_faster_cache(wrapped, hooks.FasterCacheConfig(
        unconditional_batch_skip_range=3, unconditional_batch_timestep_skip_range=(-1, 1001), tensor_format="BCHW",
        low_frequency_weight_callback=one, high_frequency_weight_callback=one, attention_weight_callback=one,
        current_timestep_callback=lambda: now.timestep,
    ))  # fmt: skip
    both = torch.cat([torch.full_like(given["labels"], model.null_label), given["labels"]])

    def denoise(k, x):
        now.timestep = evaluations[k].timestep
        t = torch.full((2 * IMAGES,), now.timestep)
        out = wrapped(hidden_states=torch.cat([x, x]), timestep=t, encoder_hidden_states=both)[0]
        uncond, cond = out.chunk(2)
        C = x.shape[1]
        return torch.cat([uncond[:, :C] + SCALE * (cond - uncond)[:, :C], cond[:, C:]], dim=1)

    with torch.inference_mode():
        theirs = sampler.sample(denoise, given["noise"], model.noise_schedule, lambda k: torch.zeros(()))
    ours = sample(model, sampler, cache, **given, guidance_scale=SCALE)
    assert relative(ours, theirs) < 2e-5


def test_both_halves_run_before_the_start_and_at_every_interval():
    _, _, plan = settings(MODELS["dit"], interval=5, start=1 / 3)
    assert [k for k, row in enumerate(plan.rows) if not row] == [0, 1, 2, 3, 5, 10]
    assert set(rows(plan)[4]) == {"+"}  # some of the images are computed
    assert (plan.shares[4] == 0.5).all()


def test_it_costs_half_of_what_it_leaves_out_of_and_its_weights_are_read_all_the_same():
    model = MODELS["dit"]
    _, _, plan = settings(model, interval=2, start=0.0)
    assert plan_macs(model, plan) == pytest.approx(0.75 * plan_macs(model, uncached(STEPS, plan.branches)))
    speedup = lambda macs, data: ideal_speedup(model, plan, 1, True, 4, Rates(macs, data))  # noqa: E731
    assert speedup(1.0, 1e30) == pytest.approx(4 / 3, rel=1e-3)  # where computing alone takes time
    assert speedup(1e30, 1.0) < 1.01  # where moving bytes alone does


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_kept_is_one_half_of_the_output(name, order):
    model = MODELS[name]
    sampler, _, plan = settings(model, interval=3, start=0.0, order=order)
    run = prepare(model, sampler, plan, batch=IMAGES, guidance_scale=SCALE)
    run(**inputs(model))
    C, H, W = model.latent_shape
    assert run.program.slots == order + 1
    assert run.kept_bytes == 4 * (order + 1) * IMAGES * C * H * W  # variances, which DDIM does not read, are left out
    predicted = Executor(model, plan).cache_bytes(IMAGES)
    assert predicted == 4 * (order + 1) * IMAGES * getattr(model, "out_channels", C) * H * W


def test_without_guidance_there_is_nothing_to_reuse():
    model = MODELS["dit"]
    sampler, cache, _ = settings(model, interval=2)
    for options in PATHS:
        with pytest.raises(InputError, match="reuses guidance, but at guidance_scale 1 there is none"):
            sample(model, sampler, cache, **inputs(model), options=options)
    unguided = SimpleNamespace(can_be_guided=False)
    assert "no null class" in cache.supports(unguided, sampler)
    assert cache.supports(model, sampler) is None


class Decided(Policy):
    points = (0,)

    @property
    def slots(self):
        return (Span(0, MODELS["dit"].num_branches, GUIDANCE),)

    def begin(self, evaluations):
        return Decisions()


def test_a_policy_cannot_reuse_guidance():
    model = MODELS["dit"]
    plan = Plan(model.num_branches, ((),) * STEPS, policy=Decided())
    with pytest.raises(InputError, match="Decided: guidance is reused by a plan alone"):
        sample(model, methods.build("ddim", steps=STEPS), plan, **inputs(model), guidance_scale=SCALE)
