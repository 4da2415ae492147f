"""What every engine that is installed must do, the shipped ones and a tiny one that always is."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fake_engine import engines_in, write_engine
from torch import Tensor

import methods
import models
from bench import engines
from bench.engines import OURS, Engine, EngineCache
from bench.engines.diffusers import OnDiffusers
from bench.measure.library import TOLERANCE, cause_of, check_again, check_computed, distance, uncached_difference
from bench.measure.timing.contenders import Contender
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import prepare
from bench.sampling.library import LibraryTrajectory
from models.dit import DiT
from models.errors import InputError

STEPS, SCALE = 8, 1.5
SAMPLER = methods.build("ddim", steps=STEPS)
SHIPPED = [name for name in engines.names() if name != OURS]
CACHED = [(name, cache.name) for name in SHIPPED for cache in engines.find(name).caches] + [("echo", "hold")]


@pytest.fixture(scope="module")
def model() -> Any:
    return models.build("dit-mnist")


@pytest.fixture(scope="module")
def inputs(model) -> tuple[Tensor, Tensor]:
    return seeded_noise(range(2), model.latent_shape), balanced_labels(range(2), 10)


@pytest.fixture(scope="module")
def echo(tmp_path_factory) -> type[Engine]:
    return engines_in(write_engine(tmp_path_factory.mktemp("engine")))["echo"]


@pytest.fixture
def engine(request, model, echo) -> Engine:
    """The engine of that name; the test is skipped where its library is missing or of another version."""
    made = (echo if request.param == "echo" else engines.find(request.param))()
    if reason := made.refuses(model):
        pytest.skip(reason)
    return made


def run_of(model: Any, engine: Engine, cache: EngineCache | None = None) -> LibraryTrajectory:
    return LibraryTrajectory(model, SAMPLER, engine, cache, guidance_scale=SCALE, guidance_channels=None)


def state_of(module: torch.nn.Module) -> Iterator[tuple[Any, ...]]:
    """Attributes and hooks of every module within."""
    for name, inner in module.named_modules():
        yield name, sorted(vars(inner)), type(inner), len(inner._forward_hooks), len(inner._forward_pre_hooks)


@pytest.mark.parametrize("engine", [*SHIPPED, "echo"], indirect=True)
def test_uncached_it_gives_our_samples(model, engine, inputs):
    samples, computed = run_of(model, engine).counted(*inputs)
    plan = make_plan(model, SAMPLER, None)
    ours = prepare(model, SAMPLER, plan, batch=2, guidance_scale=SCALE)(*inputs)
    assert distance(samples, ours) <= TOLERANCE
    assert computed.all()
    assert computed.shape == (STEPS, model.num_branches)


@pytest.mark.parametrize(("engine", "cache"), CACHED, indirect=["engine"])
def test_switched_off_it_is_the_uncached_run(model, engine, cache, inputs):
    method = engine.cache(cache)
    samples, computed = run_of(model, engine, method(**method.off)).counted(*inputs)
    assert torch.equal(samples, run_of(model, engine)(*inputs))
    assert computed.all()


@pytest.mark.parametrize(("engine", "cache"), CACHED, indirect=["engine"])
def test_it_reuses_and_every_trajectory_is_the_first(model, engine, cache, inputs):
    method = engine.cache(cache)
    run = run_of(model, engine, method(**method.tiny))
    samples, computed = run.counted(*inputs)
    samples = samples.clone()
    check_computed(cache, computed, cached=True)
    other = seeded_noise(range(7, 9), model.latent_shape), inputs[1].flip(0)
    run(*other)
    check_again(cache, samples, computed, *run.counted(*inputs))
    assert np.array_equal(run.taken().computed, computed)


@pytest.mark.parametrize(("engine", "cache"), CACHED, indirect=["engine"])
def test_nothing_is_left_behind(model, engine, cache, inputs):
    before, plain = list(state_of(model)), run_of(model, engine)(*inputs)
    out = model(inputs[0], torch.tensor([3.0, 500.0]), inputs[1])
    method = engine.cache(cache)
    run = run_of(model, engine, method(**method.tiny))
    network, forward = weakref.ref(run.executor.network), type(run.executor.network).forward
    run.counted(*inputs)
    assert type(run.executor.network).forward is forward, "the library's class is what it was"
    del run
    gc.collect()
    assert network() is None, "the library holds on to the network"
    assert list(state_of(model)) == before
    assert torch.equal(model(inputs[0], torch.tensor([3.0, 500.0]), inputs[1]), out)
    assert torch.equal(run_of(model, engine)(*inputs), plain)


@pytest.mark.parametrize("engine", ["diffusers"], indirect=True)
def test_diffusers_own_patterns_hook_nothing_and_that_is_said(model, engine, inputs):
    cache = engine.cache("taylorseer")(modules="default")
    samples, computed = run_of(model, engine, cache).counted(*inputs)
    assert torch.equal(samples, run_of(model, engine)(*inputs))
    with pytest.raises(InputError, match="taylorseer of diffusers: reused nothing, all 192 branches ran"):
        check_computed("taylorseer of diffusers", computed, cached=True)


@pytest.mark.parametrize("engine", ["cache-dit"], indirect=True)
def test_cache_dits_masks_shift_without_its_refresh_and_that_is_said(model, engine, inputs):
    cache = engine.cache("dbcache")(front=1, warmup=3, threshold=10.0, max_continuous=1)
    run = run_of(model, engine, cache)
    run.executor.renew = None
    first, second = run.counted(*inputs), run.counted(*inputs)
    with pytest.raises(InputError, match="leaks from one trajectory into the next"):
        check_again("dbcache of cache-dit", *first, *second)


README_SCHEDULE = {"attn": [1, 0] * (STEPS // 2), "mlp": [1, 0] * (STEPS // 2)}  # the README's keys


@pytest.mark.parametrize("engine", ["smoothcache"], indirect=True)
def test_smoothcaches_quick_start_caches_nothing_and_that_is_said(model, engine, inputs):
    cache = engine.cache("smoothcache")(schedule=README_SCHEDULE, helper="diffusers")
    samples, computed = run_of(model, engine, cache).counted(*inputs)
    assert torch.equal(samples, run_of(model, engine)(*inputs))
    with pytest.raises(InputError, match="smoothcache of smoothcache: reused nothing, all 192 branches ran"):
        check_computed("smoothcache of smoothcache", computed, cached=True)


@pytest.mark.parametrize("engine", ["smoothcache"], indirect=True)
def test_smoothcaches_counters_never_return_by_themselves_and_that_is_said(model, engine, inputs):
    run = run_of(model, engine, engine.cache("smoothcache")(**engine.cache("smoothcache").tiny))
    run.executor.renew = None
    first, second = run.counted(*inputs), run.counted(*inputs)
    with pytest.raises(InputError, match="leaks from one trajectory into the next"):
        check_again("smoothcache of smoothcache", *first, *second)


@pytest.mark.parametrize("engine", ["smoothcache"], indirect=True)
def test_a_schedule_of_another_length_is_unsupported(model, engine):
    cache = engine.cache("smoothcache")(schedule={"attn1": [1, 0, 1]})
    assert cache.supports(model, SAMPLER) == (
        "smoothcache: 'attn1' of 'schedule' has 3 entries, the sampler evaluates 8 times"
    )


def test_a_schedule_of_something_else_is_one_line():
    with pytest.raises(InputError, match=r"'ff' of 'schedule' must be a list of zeros and ones, got \[1, 2\]"):
        engines.find("smoothcache").cache("smoothcache")(schedule={"ff": [1, 2]})


SAME = [  # a library's setting, and the same of ours
    ("smoothcache", "smoothcache", {}, {}),
    ("hicache-pp", "hicache", {}, {"sigma": 0.5, "keep": "output"}),
    ("hicache-pp", "hicache", {"interval": 4, "order": 1}, {"keep": "output"}),
]


@pytest.mark.parametrize(("engine", "cache", "given", "besides"), SAME, indirect=["engine"])
def test_at_equal_settings_samples_and_branches_are_ours(model, engine, cache, given, besides, inputs):
    given = engine.cache(cache).tiny | given
    samples, computed = run_of(model, engine, engine.cache(cache)(**given)).counted(*inputs)
    plan = make_plan(model, SAMPLER, methods.build(cache, **given, **besides))
    assert np.array_equal(computed, plan.computed)
    ours = prepare(model, SAMPLER, plan, batch=2, guidance_scale=SCALE)(*inputs)
    assert distance(samples, ours) <= 10 * TOLERANCE
    assert distance(run_of(model, engine)(*inputs), ours) > 100 * TOLERANCE, "caching changes something"


ON_DIFFUSERS = [name for name in SHIPPED if issubclass(engines.find(name), OnDiffusers)]


@pytest.mark.parametrize("engine", ON_DIFFUSERS, indirect=True)
def test_another_architecture_is_refused(engine):
    assert "class-conditional DiT alone" in engine.refuses(models.build("uvit-mnist"))


@pytest.mark.parametrize("engine", ["hicache-pp"], indirect=True)
@pytest.mark.parametrize("backend", ["hermite", "dmd", "auto"])
def test_a_forecast_around_a_denoiser_takes_any_architecture(engine, backend, inputs):
    model = models.build("uvit-mnist")
    assert engine.refuses(model) is None
    run = run_of(model, engine, engine.cache("hicache")(interval=2, warmup=1, backend=backend))
    _, computed = run.counted(*inputs)
    assert computed.all(axis=1).tolist() == [k % 2 == 0 for k in range(STEPS)]
    assert (computed.all(axis=1) == computed.any(axis=1)).all(), "the whole network, or nothing of it"


@pytest.mark.parametrize("engine", [*SHIPPED, "echo"], indirect=True)
def test_in_half_precision_a_librarys_samples_are_as_exact_as_ours(model, engine, inputs):
    """The sampler's state is float32 for both: rounded after each of many steps it would be charged to the library."""
    half, sampler = models.build("dit-mnist", dtype=torch.bfloat16), methods.build("ddim", steps=100)
    runs = [prepare(m, sampler, make_plan(m, sampler, None), batch=2, guidance_scale=SCALE) for m in (model, half)]
    exact, ours = runs[0](*inputs), runs[1](inputs[0].bfloat16(), inputs[1])
    theirs = LibraryTrajectory(half, sampler, engine, None, guidance_scale=SCALE, guidance_channels=None)
    library = theirs(inputs[0].bfloat16(), inputs[1])
    assert library.dtype == ours.dtype == torch.bfloat16
    assert relative(library, exact) <= 1.5 * relative(ours, exact)


def relative(samples: Tensor, exact: Tensor) -> float:
    return float((samples.float() - exact).norm() / exact.norm())


DIFFERENT = {"input_size": 4, "patch_size": 2, "hidden_size": 32, "depth": 2, "num_heads": 2, "num_classes": 5}


@pytest.mark.parametrize("engine", ON_DIFFUSERS, indirect=True)
def test_other_widths_of_the_mlp_are_refused(engine):
    reason = engine.refuses(DiT(**DIFFERENT, mlp_ratio=2.0))
    assert reason == (
        f"engine '{engine.name}' has MLPs 4 times as wide as the tokens alone, "
        "this model has MLPs of 64 features at a width of 32"
    )


@pytest.mark.parametrize("options", [{"class_dropout_prob": 0.0}, {"learn_sigma": False}, {"in_channels": 3}])
@pytest.mark.parametrize("engine", ["diffusers"], indirect=True)
def test_whatever_dit_it_takes_it_runs(engine, options):
    model = DiT(**DIFFERENT | options).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(len(parameter)))
    assert engine.refuses(model) is None
    inputs = seeded_noise(range(2), model.latent_shape), torch.tensor([0, 4])
    contender = Contender(SAMPLER, make_plan(model, SAMPLER, None), engine)
    assert uncached_difference(contender, model, *inputs) <= TOLERANCE


def test_an_engine_that_names_too_few_branches_is_one_line(model, echo, inputs):
    short = type("Short", (echo,), {"branches": lambda self, network: echo.branches(self, network)[:-1]})()
    with pytest.raises(InputError, match=r"^engine 'echo': branches\(\) gives 23 modules, the model has 24 branches$"):
        run_of(model, short).counted(*inputs)


@pytest.mark.parametrize("engine", ["diffusers"], indirect=True)
def test_half_precision_says_why_outputs_differ(engine):
    model = models.build("dit-mnist", dtype=torch.bfloat16)
    noise = seeded_noise(range(2), model.latent_shape).bfloat16()
    contender = Contender(SAMPLER, make_plan(model, SAMPLER, None), engine)
    difference = uncached_difference(contender, model, noise, balanced_labels(range(2), 10))
    assert TOLERANCE < difference < 0.1
    assert cause_of(difference, "bfloat16", "diffusers") == "arithmetic in bfloat16, in another order"
