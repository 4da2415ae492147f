"""L2C against trajectories, router training losses and published routers of the official implementation."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from golden_vectors import build_model, entries, find, load, relative, requires
from safetensors.torch import load_file

import methods
from bench.sampling import make_plan, sample
from bench.train.latents import in_memory
from bench.train.router.objective import RouterLoss, RouterRecipe
from bench.train.router.pairs import pairs, reach, signal_and_noise
from models.dit import DiT
from models.uvit import UViT

TOLERANCE = 2e-5  # of max|reference|
LOSS_TOLERANCE = 5e-6


def uvit_solver(steps: int):
    return methods.build("dpm-solver++", steps=steps, variant="uvit-singlestep")


@pytest.mark.parametrize("run", entries("l2c_dit", "runs"), ids=lambda run: run["tag"])
def test_dit(run: dict) -> None:
    T, J = load("l2c_dit")
    tag, half = run["tag"], len(T["y"]) // 2
    model, sampler = build_model("l2c_dit", DiT), methods.build("ddim", steps=run["steps"])
    cache = methods.build("l2c", router=T[f"{tag}.router_logits"].sigmoid(), threshold=run["thres"])
    computed = make_plan(model, sampler, cache).computed
    assert [row.nonzero()[0].tolist() for row in computed] == [step["computed"] for step in run["executed"]]
    outputs, inputs = [], []

    def callback(k: int, timestep: float, x: torch.Tensor, out: torch.Tensor) -> None:
        inputs.append(x)
        outputs.append(out)

    x = T[f"{tag}.x_T"][:half]
    settings = {"labels": T["y"][:half], "guidance_scale": J["cfg_scale"], "guidance_channels": 3}
    final = sample(model, sampler, cache, noise=x, callback=callback, **settings)
    assert relative(final, T[f"{tag}.final"][:half]) < TOLERANCE
    assert relative(torch.stack(outputs), T[f"{tag}.model_out"][:, :half]) < TOLERANCE
    assert relative(torch.stack([*inputs[1:], final]), T[f"{tag}.traj"][:, :half]) < TOLERANCE
    uncached = sample(model, sampler, noise=x, **settings)
    assert relative(uncached, T[f"{tag}.final_nocache"][:half]) < TOLERANCE


@pytest.mark.parametrize("run", entries("l2c_uvit", "runs"), ids=lambda run: run["tag"])
def test_uvit(run: dict) -> None:
    T, J = load("l2c_uvit")
    tag = run["tag"]
    model, sampler = build_model("l2c_uvit", UViT), uvit_solver(run["nfe"])
    cache = methods.build("l2c", router=T[f"{tag}.router_logits"].sigmoid(), threshold=run["thres"])
    computed = make_plan(model, sampler, cache).computed
    calls = [call["computed_layers"] for call in run["calls"] if call["branch"] == "cond"]
    assert computed.sum(axis=1).tolist() == calls
    eps: list[torch.Tensor] = []
    settings = {"noise": T[f"{tag}.x_T"], "labels": T["y"], "guidance_scale": 1 + J["cfg_scale"]}
    final = sample(model, sampler, cache, callback=lambda k, t, x, out: eps.append(out), **settings)
    assert relative(torch.stack(eps), T[f"{tag}.eps_out"]) < TOLERANCE
    assert relative(final, T[f"{tag}.final"]) < TOLERANCE
    assert relative(sample(model, sampler, **settings), T[f"{tag}.final_nocache"]) < TOLERANCE


@requires("l2c_uvit_script")
def test_uvit_script() -> None:
    T, J = load("l2c_uvit_script")
    model, sampler = build_model("l2c_uvit_script", UViT), uvit_solver(J["nfe"])
    cache = methods.build("l2c", router=T["router_logits"].sigmoid(), threshold=J["thres"])
    final = sample(model, sampler, cache, noise=T["x_T"], labels=T["y"], guidance_scale=1 + J["cfg_scale"])
    assert relative(final, T["final"]) < TOLERANCE


def check_gradients(loss: RouterLoss, x, t, labels, kept, T: dict, tag: str) -> tuple[float, float]:
    """The two parts of the loss; asserts the gradients with respect to logits and scores."""
    logits = T["router_logits"].clone().requires_grad_()
    error, scores = loss.parts(x, t, labels, kept, logits)
    scores.retain_grad()
    (error + loss.recipe.l1 * scores.sum()).backward()
    assert relative(logits.grad, T["grad_logits"]) < TOLERANCE, tag
    assert relative(scores.grad, T["grad_scores"]) < TOLERANCE, tag
    return error.item(), scores.sum().item()


@pytest.mark.parametrize("run", entries("interpolation_dit", "runs"), ids=lambda run: run["tag"])
def test_training_loss_dit(run: dict) -> None:
    T, J = load("interpolation_dit")
    R = {key: T[f"{run['tag']}.{key}"] for key in T_KEYS if f"{run['tag']}.{key}" in T}
    model, sampler = build_model("interpolation_dit", DiT), methods.build("ddim", steps=J["num_steps"])
    labels = torch.where(R["label_drop_mask"].bool(), model.null_label, R["y"])
    pair = next(p for p in pairs(model, sampler) if p.row == run["router_index"])
    x, kept = reach(model, sampler, pair, R["x_start"], R["q_noise"], labels, torch.Generator())
    assert relative(x, R["x_prev"]) < TOLERANCE
    R["router_logits"] = R["router_logits"][pair.row]
    loss = RouterLoss(
        model,
        sampler,
        in_memory(R["x_start"], labels, "golden"),
        RouterRecipe(l1=J["l1_weight"], threshold=run["thres"]),
    )
    t = torch.full((len(x),), float(run["model_timestep_prev"]))
    error, total = check_gradients(loss, x, t, labels, kept, R, run["tag"])
    assert error == pytest.approx(run["mse"], rel=LOSS_TOLERANCE)
    assert total == pytest.approx(run["l1"], rel=LOSS_TOLERANCE)


T_KEYS = (
    *("x_start", "q_noise", "x_t", "x_prev", "x_next", "y", "label_drop_mask"),
    *("router_logits", "grad_logits", "grad_scores"),
)


@pytest.mark.parametrize("run", entries("interpolation_uvit", "runs"), ids=lambda run: run["tag"])
def test_training_loss_uvit(run: dict) -> None:
    """The official code noises, and evaluates teacher and student, at rounded timesteps; ours are the sampler's own."""
    T, J = load("interpolation_uvit")
    R = {key: T[f"{run['tag']}.{key}"] for key in T_KEYS if f"{run['tag']}.{key}" in T}
    model, sampler = build_model("interpolation_uvit", UViT), uvit_solver(J["nfe"])
    pair = next(p for p in pairs(model, sampler) if p.row == run["router_index"])
    alpha, _ = signal_and_noise(model.noise_schedule, sampler.evaluations(model.noise_schedule)[pair.start].timestep)
    scaled, zeros = R["x_t"] / alpha, torch.zeros_like(R["x_t"])  # x at the pair's start is then the recorded x_t
    x, kept = reach(model, sampler, pair, scaled, zeros, R["y"], torch.Generator())
    assert relative(x, R["x_next"]) < TOLERANCE
    R["router_logits"] = R["router_logits"][pair.row]
    loss = RouterLoss(model, sampler, in_memory(R["x_start"], R["y"], "golden"), RouterRecipe(l1=J["l1_weight"]))
    t = torch.full((len(x),), run["call_timesteps"][-1])
    error, total = check_gradients(loss, x, t, R["y"], kept, R, run["tag"])
    assert error + J["l1_weight"] * total == pytest.approx(run["loss"], rel=LOSS_TOLERANCE)
    assert total == pytest.approx(run["l1"], rel=LOSS_TOLERANCE)


PUBLISHED = {  # router -> model configuration, sampler, kept of cached
    "DDIM50_router": ("dit", ("ddim", {"steps": 50}), 736, 1400),
    "DDIM20_router": ("dit", ("ddim", {"steps": 20}), 312, 560),
    "dpm50_router": ("uvit", ("dpm-solver++", {"steps": 50, "variant": "uvit-singlestep"}), 88, 1392),
    "dpm20_router": ("uvit", ("dpm-solver++", {"steps": 20, "variant": "uvit-singlestep"}), 189, 522),
}


@requires("official_routers/official_routers")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_routers(name: str, tmp_path: Path) -> None:
    """Kept branches of DiT-XL/2 and U-ViT-H/2, for whose depths a narrow network stands in."""
    path = find("official_routers/official_routers")
    published = json.loads(path.read_text())["checkpoints"][name]
    logits = load_file(path.with_suffix(".safetensors"))[f"{name}.logits"]
    family, (sampler_name, settings), kept, cached = PUBLISHED[name]
    layout = {f"{i}.prob": row for i, row in enumerate(logits)}
    if family == "dit":
        model = DiT(8, 2, 4, 16, depth=28, num_heads=2)
        torch.save({"routers": layout, "args": argparse.Namespace(l1=5e-6)}, tmp_path / "router.pt")
    else:
        model = UViT(8, 2, 4, 16, 28, 2, num_classes=11, conv=False)
        torch.save(layout, tmp_path / "router.pt")
    cache = methods.build("l2c", router=str(tmp_path / "router.pt"), threshold=published["thres"])
    computed = make_plan(model, methods.build(sampler_name, **settings), cache).computed
    assert (published["totals"]["kept_all"], published["totals"]["total_layers_in_cached_steps"]) == (kept, cached)
    assert computed.sum() == computed.size - cached + kept
