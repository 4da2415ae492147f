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
from bench.measure.library import TOLERANCE, check_again, check_computed, distance
from bench.measure.timing.contenders import Contender
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import prepare
from bench.sampling.library import LibraryTrajectory
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


@pytest.mark.parametrize("engine", SHIPPED, indirect=True)
def test_another_architecture_is_refused(engine):
    assert "class-conditional DiT alone" in engine.refuses(models.build("uvit-mnist"))


@pytest.mark.parametrize("engine", ["diffusers"], indirect=True)
def test_half_precision_says_why_outputs_differ(engine):
    from bench.measure.library import cause_of, uncached_difference

    model = models.build("dit-mnist", dtype=torch.bfloat16)
    noise = seeded_noise(range(2), model.latent_shape).bfloat16()
    contender = Contender(SAMPLER, make_plan(model, SAMPLER, None), engine)
    difference = uncached_difference(contender, model, noise, balanced_labels(range(2), 10))
    assert TOLERANCE < difference < 0.1
    assert cause_of(difference, "bfloat16", "diffusers") == "arithmetic in bfloat16, in another order"
