"""What only a GPU has: graphs and compiled regions. Their logic runs here on a CPU; the rest where there is a GPU."""

import pytest
import torch
from golden_vectors import relative
from test_compiled import CONFIGS, TOLERANCE
from test_conformance import MODELS

import methods
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import Execution, dit, kernels, prepare, regional
from bench.sampling.compiled.graphs import GraphedTrajectory

STEPS = 6
CASES = [("ddim", None), ("ddim", "fora"), ("ddim", "cfg-cache"), ("ddpm", "fora"), ("dpm-solver++", "deepcache")]


def prepared(model, sampler, cache, **options):
    sampler = methods.build(sampler, steps=STEPS)
    cache = cache and methods.build(cache, **methods.find(cache).tiny)
    plan = make_plan(model, sampler, cache)
    return prepare(model, sampler, plan, batch=3, guidance_scale=1.5, options=Execution(**options))


def inputs(model, indices=range(3)):
    return seeded_noise(indices, model.latent_shape), balanced_labels(indices, 10)


class RecordedGraph:
    """A CUDA graph as far as its user can tell: replaying runs the same code on whatever its inputs hold by then."""

    def __init__(self):
        self.captures = 0

    def __call__(self, run, device):
        self.captures += 1
        out = run()
        return (lambda: out.copy_(run())), out


@pytest.mark.parametrize(("sampler", "cache"), CASES)
@pytest.mark.parametrize("name", MODELS)
def test_a_replayed_graph_gives_what_the_trajectory_gives(name, sampler, cache):
    model, recorded = MODELS[name], RecordedGraph()
    direct = prepared(model, sampler, cache)
    graphed = GraphedTrajectory(prepared(model, sampler, cache), recorded)
    first = graphed(*inputs(model))
    assert torch.equal(first, direct(*inputs(model)))
    kept = first.clone()
    for indices in (range(3, 6), range(7, 9)):  # other noise, and a batch that is not full
        assert torch.equal(graphed(*inputs(model, indices)), direct(*inputs(model, indices)))
    assert torch.equal(first, kept)  # the caller's samples are no part of the graph
    assert recorded.captures == 1


@pytest.mark.parametrize("name", MODELS)
def test_compiled_regions_compute_the_same(name, monkeypatch):
    monkeypatch.setattr(regional, "BACKEND", "eager")  # traced and guarded as always, but no machine code
    regional.regional.cache_clear()
    model = MODELS[name]
    fused = prepared(model, "ddim", "fora", compile=True)(*inputs(model))
    regional.regional.cache_clear()
    assert relative(fused, prepared(model, "ddim", "fora")(*inputs(model))) <= TOLERANCE


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@gpu
@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize(("sampler", "cache"), CASES)
@pytest.mark.parametrize("name", MODELS)
def test_on_a_gpu_no_step_waits_for_the_host(name, sampler, cache, graphs):
    model = type(MODELS[name])(**CONFIGS[type(MODELS[name])])
    model.load_state_dict(MODELS[name].state_dict())
    model = model.eval().requires_grad_(False).to("cuda", torch.bfloat16)
    run = prepared(model, sampler, cache, cuda_graphs=graphs)
    noise, labels = (tensor.cuda() for tensor in inputs(model))
    step_noise = torch.randn(STEPS, *noise.shape, device="cuda")
    run(noise, labels, step_noise)
    torch.cuda.set_sync_debug_mode("error")
    try:
        out = run(noise, labels, step_noise)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    exact = prepared(MODELS[name], sampler, cache)(*inputs(model), step_noise.cpu())
    assert relative(out.float().cpu(), exact) <= 2e-2


@pytest.mark.parametrize("cache", [None, "fora", "deepcache"])
@pytest.mark.parametrize("name", MODELS)
def test_the_pieces_that_only_a_gpu_takes(name, cache, monkeypatch):
    """Results in memory of their own, a row of modulations for every image, all step noise drawn beforehand."""
    model = MODELS[name]
    expected = prepared(model, "ddpm", cache)(*inputs(model))
    monkeypatch.setattr(kernels, "on_cpu", lambda tensor: False)
    monkeypatch.setattr(dit, "on_cpu", lambda tensor: False)
    run = prepared(model, "ddpm", cache)
    noise, labels, draw = run.inputs(*inputs(model), None)
    assert relative(run.run(noise, labels, run.drawn(draw).__getitem__), expected) <= TOLERANCE
