"""The loop that benchmarks compare with does what the official implementations do."""

import pytest
import torch
from golden_vectors import build_model, entries, load, relative

import methods
from bench.benchmarks.published_loop import PublishedLoop
from bench.sampling import make_plan
from models.dit import DiT

TOLERANCE = 2e-5  # of max|reference|


def final(name, model, sampler, cache, x, labels, scale):
    half = len(labels) // 2
    loop = PublishedLoop(model, sampler, make_plan(model, sampler, cache), scale)
    return loop(x[:half], labels[:half]), half


@pytest.mark.parametrize("steps", entries("dit_ddim", "steps")[:2])
def test_ddim(steps: int) -> None:
    T, J = load("dit_ddim")
    model, sampler = build_model("dit_ddim", DiT), methods.build("ddim", steps=steps)
    got, half = final("dit_ddim", model, sampler, None, T[f"ddim.n{steps}.x_T"], T["y"], J["cfg_scale"])
    assert relative(got, T[f"ddim.n{steps}.traj"][-1, :half]) < TOLERANCE


@pytest.mark.parametrize("run", entries("l2c_dit", "runs")[:2], ids=lambda run: run["tag"])
def test_l2c(run: dict) -> None:
    T, J = load("l2c_dit")
    tag = run["tag"]
    model, sampler = build_model("l2c_dit", DiT), methods.build("ddim", steps=run["steps"])
    cache = methods.build("l2c", router=T[f"{tag}.router_logits"].sigmoid(), threshold=run["thres"])
    got, half = final("l2c_dit", model, sampler, cache, T[f"{tag}.x_T"], T["y"], J["cfg_scale"])
    assert relative(got, T[f"{tag}.final"][:half]) < TOLERANCE


FORA = [run for run in entries("fora_dit", "runs") if run["sampler"] == "ddim"]


@pytest.mark.parametrize("run", FORA[:2], ids=lambda run: run["tag"])
def test_fora(run: dict) -> None:
    T, J = load("fora_dit")
    tag = run["tag"]
    model, sampler = build_model("fora_dit", DiT), methods.build("ddim", steps=run["steps"])
    cache = methods.build("fora", interval=run["cache_threshold"])
    got, half = final("fora_dit", model, sampler, cache, T[f"{tag}.x_T"], T["y"], J["cfg_scale"])
    assert relative(got, T[f"{tag}.final"][:half]) < TOLERANCE


def test_it_leaves_nothing_behind() -> None:
    model, sampler = build_model("dit_ddim", DiT), methods.build("ddim", steps=10)
    loop = PublishedLoop(model, sampler, make_plan(model, sampler, methods.build("fora", interval=3)), 1.5)
    x, labels = torch.randn(2, *model.latent_shape), torch.tensor([1, 2])
    assert torch.equal(loop(x, labels), loop(x, labels))
    assert not loop.kept
