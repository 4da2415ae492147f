import pytest

import methods
from bench.measure import memory
from bench.sampling import balanced_labels, plain, seeded_noise
from bench.sampling.compiled import prepare
from bench.sampling.executor import Executor
from methods.plan import CHANGE, OFFSET, OUTPUT, Plan, Span
from models.dit import DiT
from models.uvit import UViT

MB = 1_000_000


def hold(megabytes: int) -> None:
    """Touch every page, so that it becomes resident."""
    bytearray(megabytes * MB)[::4096] = b"\1" * len(range(0, megabytes * MB, 4096))


def measured(megabytes: int) -> float:
    peak = memory.peak_mb(lambda: hold(megabytes), "cpu")
    if peak is None:
        pytest.skip("this system keeps no high-water mark")
    return peak


def test_the_peak_is_the_action_s_own():
    large, small = measured(300), measured(10)
    assert 200 < large - small < 400


def test_no_mark_no_number(monkeypatch):
    monkeypatch.setattr(memory, "_reset_mark", lambda: False)
    assert memory.peak_mb(lambda: None, "cpu") is None


MODELS = {
    "dit": DiT(4, 1, 4, 16, 6, 4, num_classes=10).eval(),
    "uvit": UViT(4, 1, 4, 16, 6, 4, num_classes=11, conv=False).eval(),
}


@pytest.mark.parametrize("architecture", MODELS)
@pytest.mark.parametrize("name", methods.names("cache"))
def test_what_a_plan_keeps_is_what_was_predicted(name, architecture):
    model, sampler = MODELS[architecture], methods.build("ddim", steps=8)
    cache = methods.find(name)
    method = methods.build(name, **cache.tiny_params(model, sampler))
    if method.supports(model, sampler):
        pytest.skip("not on this architecture")
    executor = Executor(model, method.plan(model, sampler))
    noise, labels = seeded_noise(range(3), model.latent_shape), balanced_labels(range(3), 10)
    kept = memory.plain_cache_bytes(executor, lambda e: plain.run(e, sampler, noise, labels, 1.5))
    assert kept == executor.cache_bytes(3, guided=True) > 0
    run = prepare(model, sampler, executor.plan, batch=3, guidance_scale=1.5)
    assert 0 < memory.compiled_cache_bytes(run, noise, labels) <= kept  # sums of reused branches are kept as one
    assert "evaluate" not in vars(run)


def test_extrapolation_and_escaping_skips_are_counted_as_predicted():
    model, sampler = MODELS["uvit"], methods.build("ddim", steps=6)
    span = Span(4, 8, OFFSET, order=1)  # blocks 2 and 3; the skip of block 2 is read by block 4
    executor = Executor(model, Plan(model.num_branches, ((), (), (span,), (), (span,), (span,))))
    noise, labels = seeded_noise(range(2), model.latent_shape), balanced_labels(range(2), 10)
    kept = memory.plain_cache_bytes(executor, lambda e: plain.run(e, sampler, noise, labels, 1.0))
    tokens, width = model.token_shape()
    assert kept == executor.cache_bytes(2, guided=False) == 3 * 2 * tokens * width * 4


@pytest.mark.parametrize("keep", [OUTPUT, CHANGE])
@pytest.mark.parametrize("architecture", MODELS)
def test_of_a_whole_output_no_more_is_kept_than_itself(architecture, keep):
    """U-ViT's is a part of what its last layer puts out, with label and time."""
    model, sampler = MODELS[architecture], methods.build("ddim", steps=4)
    executor = Executor(model, Plan(model.num_branches, ((), (Span(0, model.num_branches, keep),)) * 2))
    noise, labels = seeded_noise(range(2), model.latent_shape), balanced_labels(range(2), 10)
    kept = memory.plain_cache_bytes(executor, lambda e: plain.run(e, sampler, noise, labels, 1.0))
    assert kept == executor.cache_bytes(2, guided=False) > 0


def test_available_memory_respects_a_container_s_limit(tmp_path, monkeypatch):
    free = memory.available_bytes()
    if free is None:
        pytest.skip("this system does not say")
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.available_bytes() == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes() > 600
