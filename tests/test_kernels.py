"""A processor's other products: the same samples as the plain path's, chosen once, recorded, never mixed."""

from dataclasses import replace

import pytest
import torch
from golden_vectors import relative
from test_compiled import CONFIGS
from test_conformance import CACHES, MODELS

import methods
from bench.cli.commands import choose, run
from bench.judge.conditions import machine_of
from bench.measure.task import Share
from bench.measure.timing import ceilings
from bench.measure.timing.stopwatch import HostStopwatch
from bench.run import kernels
from bench.run.request import RunFacts
from bench.run.sample_run import sample_suite
from bench.sampling import balanced_labels, make_plan, sample, seeded_noise
from bench.sampling.compiled import Execution, onednn, prepare
from bench.sampling.compiled.kernels import Product
from bench.sampling.compiled.onednn import BLAS, MEASURED, ONEDNN, OneDnnProduct
from bench.store.directory import Store
from bench.store.stored_cell import StoredCell
from bench.suite import file as suite
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from methods.plan import uncached
from models.errors import InputError

STEPS, TOLERANCE = 6, 1e-5  # of max|plain|, float32
OTHER = Execution(kernels=ONEDNN)

needs_onednn = pytest.mark.skipif(not onednn.fits(torch.empty(0)), reason="torch has no oneDNN here")


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def samples(model, cache=None, options=OTHER, images=2, sampler="ddim"):
    indices, dtype = range(images), next(model.parameters()).dtype
    noise, labels = seeded_noise(indices, model.latent_shape).to(dtype), balanced_labels(indices, 10)
    built = methods.build(sampler, steps=STEPS)
    return sample(model, built, cache, noise=noise, labels=labels, guidance_scale=1.5, options=options)


@needs_onednn
@pytest.mark.parametrize("name", [None, *CACHES])
def test_they_agree_with_the_plain_path(model, name):
    cache = name and methods.build(name, **methods.find(name).tiny_params(model, methods.build("ddim", steps=STEPS)))
    assert relative(samples(model, cache), samples(model, cache, Execution("plain"))) <= TOLERANCE


@needs_onednn
def test_variances_and_bfloat16(model):
    """Of a sampler that reads what the last layer else leaves out; and of weights in another dtype."""
    assert relative(samples(model, sampler="ddpm"), samples(model, options=Execution("plain"), sampler="ddpm")) <= 1e-5
    half = type(model)(**CONFIGS[type(model)]).bfloat16().eval().requires_grad_(False)
    half.load_state_dict(model.state_dict())
    assert relative(samples(half).float(), samples(model)) <= 2e-2


@needs_onednn
def test_a_batch_gives_the_same_bits_again_whole_or_in_part(model):
    sampler = methods.build("ddim", steps=STEPS)
    plan = make_plan(model, sampler, methods.build("fora", interval=2))
    noise, labels = seeded_noise(range(4), model.latent_shape), balanced_labels(range(4), 10)
    first, second = (prepare(model, sampler, plan, batch=4, guidance_scale=1.5, options=OTHER) for _ in range(2))
    whole = first(noise, labels).clone()
    assert torch.equal(second(noise, labels), whole)
    assert torch.equal(second(noise[:3], labels[:3]), whole[:3]), "a padded batch meets the same kernels"


@needs_onednn
def test_no_copy_of_the_weights_is_kept(model):
    layer = model.block(0).mlp.fc1 if hasattr(model, "block") else model.blocks[0].mlp.fc1
    product = OneDnnProduct(layer.weight, layer.bias)
    assert product.weight.data_ptr() == layer.weight.data_ptr()
    rows = torch.randn(5, layer.in_features)
    out = torch.empty(5, layer.out_features)
    assert product(rows, out) is out
    assert relative(out, Product(layer.weight, layer.bias)(rows)) <= 1e-6


@pytest.mark.parametrize(
    "given",
    [{"kernels": "mkl"}, {"kernels": ONEDNN, "path": "plain"}, {"kernels": MEASURED, "compile": True},
     {"kernels": ONEDNN, "cuda_graphs": True}],
)  # fmt: skip
def test_what_does_not_fit_is_refused(given):
    with pytest.raises(InputError, match="kernels"):
        Execution(**given)


def test_weights_that_onednn_cannot_multiply_by_are_refused():
    with pytest.raises(InputError, match=r"kernels 'onednn': not for torch\.float64 on cpu"):
        onednn.maker(ONEDNN, torch.empty(1, dtype=torch.float64))
    assert onednn.maker(MEASURED, torch.empty(1, dtype=torch.float64)) is Product


@pytest.mark.parametrize("words", [["--device", "cuda"], ["--dtype", "float16"]])
def test_the_option_is_refused_where_there_is_nothing_to_choose(words):
    with pytest.raises(InputError, match="--kernels onednn needs --device cpu and --dtype float32 or bfloat16"):
        run.run(parsed(run, "smoke", "--kernels", "onednn", *words))
    assert parsed(choose, "dit-mnist").kernels == "blas"


def parsed(command, *words):
    import argparse

    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return parser.parse_args(list(words))


@needs_onednn
@pytest.mark.parametrize(("gains", "chosen"), [((1.1, 1.2, 2.0), ONEDNN), ((0.9, 1.2, 2.0), BLAS)])
def test_the_other_kernels_are_taken_where_they_are_faster_at_every_shape_and_measured_once(
    gains, chosen, model, monkeypatch
):
    onednn.measured.cache_clear()
    left = list(gains)
    monkeypatch.setattr(onednn, "gain", lambda *_: left.pop(0))
    try:
        assert onednn.measured(torch.float32) == chosen
        assert onednn.measured(torch.float32) == chosen, "the list would be empty"
        run = prepare(model, methods.build("ddim", steps=2), uncached(2, model.num_branches), batch=1,
                      options=Execution(kernels=MEASURED))  # fmt: skip
        made = OneDnnProduct if chosen == ONEDNN else Product
        assert {type(layer.qkv) for layer in run.network.layers[::2]} == {made}
    finally:
        onednn.measured.cache_clear()


@needs_onednn
def test_a_gain_is_a_ratio_of_times():
    assert 0.05 < onednn.gain(8, 16, torch.float32) < 20


def settings(word):
    return Settings(execution=Execution(kernels=word))


def test_a_run_decides_once_and_its_directory_says_what(tmp_path, monkeypatch, capsys):
    turns = iter([ONEDNN, BLAS, BLAS])
    monkeypatch.setattr(kernels, "faster", lambda _: next(turns))
    chosen, store = suite.load("smoke", {}, {}), Store(tmp_path / "run")
    first = kernels.settled(settings(MEASURED), store.directory)
    assert first == settings(ONEDNN)
    assert "--kernels measured: onednn" in capsys.readouterr().err
    store.open(chosen, first)
    assert kernels.settled(settings(MEASURED), store.directory) == first, "a resumed run measures nothing"
    for other in (kernels.settled(settings(MEASURED)), settings(BLAS)):
        with pytest.raises(InputError, match="kernels 'onednn', this one None"):
            store.open(chosen, other)
    plain = Store(tmp_path / "plain")
    plain.open(chosen, settings(BLAS))
    assert kernels.settled(settings(MEASURED), plain.directory) == settings(BLAS)
    with pytest.raises(InputError, match="kernels None, this one 'onednn'"):
        plain.open(chosen, first)


def test_what_runs_the_cells_is_handed_a_name(tmp_path, monkeypatch):
    """As workers of another machine are, too."""
    from bench.run.remote.orders import facts_of, facts_to_json

    monkeypatch.setattr(kernels, "faster", lambda _: ONEDNN)
    facts = RunFacts("f", "s", {}, (), kernels.settled(settings(MEASURED)), "d")
    assert facts_of(facts_to_json(facts)).settings == settings(ONEDNN)


def test_workers_that_would_each_measure_are_refused(tmp_path):
    with pytest.raises(InputError, match="each of 2 workers would measure; name blas or onednn"):
        sample_suite("smoke", str(tmp_path / "r"), None, settings(MEASURED), None, {}, Share(1, 2))
    assert not list(tmp_path.iterdir())


def test_results_name_them_where_they_are_not_torchs_own():
    cell = Cell("dit-mnist", Part("ddim", {"steps": 10}), None, Protocol())
    assert "kernels" not in settings(BLAS).recorded()["execution"], "else no earlier result would be this cell's"
    assert settings(ONEDNN).recorded()["execution"]["kernels"] == ONEDNN
    assert cell.key(settings(ONEDNN)) != cell.key(Settings()) == cell.key(settings(BLAS))
    assert cell.samples_key(settings(ONEDNN)) != cell.samples_key(Settings()), "their samples differ in the last digits"


def test_latencies_by_other_kernels_are_not_in_one_column():
    cell = StoredCell("k", "m", "s", "M", "f", "s", "ok", "3", None, None)
    other = replace(cell, settings=replace(cell.settings, stated={"execution": {"kernels": ONEDNN}}))
    assert machine_of(cell)["kernels"] == BLAS
    assert machine_of(other) == {**machine_of(cell), "kernels": ONEDNN}


@needs_onednn
def test_the_ceiling_is_that_of_the_runs_kernels(monkeypatch):
    made = []
    monkeypatch.setattr(ceilings, "GEMM_SIZE", {"cpu": 16})
    monkeypatch.setattr(ceilings, "OneDnnProduct", lambda *given: made.append(given) or OneDnnProduct(*given))
    for word, count in ((BLAS, 0), (ONEDNN, 1)):
        assert ceilings.gemm_rate(HostStopwatch(), "cpu", torch.float32, 0.0, word)["gemm_macs_per_s"] > 0
        assert len(made) == count
