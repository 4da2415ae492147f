"""FORA against trajectories of the official implementation, on DDIM and DDPM."""

import pytest
import torch
from golden_vectors import build_model, entries, load, relative

import methods
from bench.sampling import make_plan, sample
from models.dit import DiT

TOLERANCE = 2e-5  # of max|reference|
RUNS = [(name, run) for name in ("fora_dit", "fora_dit_long") for run in entries(name, "runs")]


@pytest.mark.parametrize(("name", "run"), RUNS, ids=[run["tag"] for _, run in RUNS])
def test_fora(name: str, run: dict) -> None:
    T, J = load(name)
    tag, half = run["tag"], len(T["y"]) // 2
    model = build_model(name, DiT)
    sampler = methods.build(run["sampler"], steps=run["steps"])
    cache = methods.build("fora", interval=run["cache_threshold"])
    computed = make_plan(model, sampler, cache).computed
    assert computed.sum(axis=1).tolist() == [step["computed"] for step in run["executed"]]
    inputs: list[torch.Tensor] = []
    settings = {
        "noise": T[f"{tag}.x_T"][:half],
        "labels": T["y"][:half],
        "guidance_scale": J["cfg_scale"],
        "guidance_channels": 3,
        "step_noise": T[f"{tag}.noise"][:, :half] if run["sampler"] == "ddpm" else None,
    }
    final = sample(model, sampler, cache, callback=lambda k, t, x, out: inputs.append(x), **settings)
    assert relative(final, T[f"{tag}.final"][:half]) < TOLERANCE
    assert relative(torch.stack([*inputs[1:], final]), T[f"{tag}.traj"][:, :half]) < TOLERANCE
    assert relative(sample(model, sampler, **settings), T[f"{tag}.final_nocache"][:half]) < TOLERANCE
