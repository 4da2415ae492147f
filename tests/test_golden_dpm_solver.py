"""DPM-Solver and DPM-Solver++ against recorded runs of the official solver and of U-ViT's own, older one."""

import pytest
import torch
from golden_vectors import build_model, entries, load, relative

from methods.dpm_schedule import LinearVP, lambda_schedule
from methods.dpm_solver import DPMSolver, DPMSolverPlusPlus
from models.noise_schedule import NoiseSchedule, sqrt_linear
from models.uvit import UViT

TOLERANCE = {"f64": 1e-9, "f32": 1e-4}
SAMPLERS = {"dpmsolver": DPMSolver, "dpmsolver++": DPMSolverPlusPlus}
RENAMED = {"method": "variant", "model_type": "prediction", "dynamic_thresholding_ratio": "threshold"}
RUNS = [pytest.param(p, run, id=f"{p}-{run['tag']}") for p in TOLERANCE for run in entries(f"dpm_solver_{p}", "cases")]


def sampler_of(run: dict) -> DPMSolver:
    """The sampler of a recorded run: the official argument names, and those that differ here."""
    sampler = SAMPLERS[run["algorithm_type"]]
    named = {RENAMED.get(key, key): value for key, value in run.items() if value is not None}
    return sampler(**{key: value for key, value in named.items() if key in sampler.parameters})


def schedule_of(name: str, T: dict) -> NoiseSchedule | LinearVP:
    return LinearVP() if name == "vplinear" else NoiseSchedule(T[f"betas.{name}"].numpy())


class ToyNetwork:
    """The recorded two-layer network, guided as the run says."""

    def __init__(self, T: dict, run: dict, timesteps: list[float], dtype: torch.dtype) -> None:
        self.T = {key: value.to(dtype) for key, value in T.items() if key.startswith("toy.")}
        self.run, self.timesteps = run, timesteps
        self.labels = (T["condition"], T["unconditional_condition"])

    def predict(self, x: torch.Tensor, t: float, label: torch.Tensor | None) -> torch.Tensor:
        W1, b1, u1, w1, E, W2, b2 = (self.T[f"toy.{name}"] for name in ("W1", "b1", "u1", "w1", "E", "W2", "b2"))
        f, tt = x.flatten(1), torch.full((len(x), 1), t / 1000, dtype=x.dtype)  # [B,12], [B,1]
        h = f @ W1.T + b1 + tt * u1 + torch.sin(tt * w1) + (0 if label is None else E[label])
        return (0.8 * f / torch.sqrt(1 + 0.1 * f**2) + torch.tanh(h) @ W2.T + b2).view_as(x)

    def __call__(self, k: int, x: torch.Tensor) -> torch.Tensor:
        t = self.timesteps[k]
        if self.run["guidance"] == "uncond":
            return self.predict(x, t, None)
        cond, uncond = (self.predict(x, t, label) for label in self.labels)
        return uncond + self.run["scale"] * (cond - uncond)


@pytest.mark.parametrize(("precision", "run"), RUNS)
def test_official_solver(precision: str, run: dict) -> None:
    T, _ = load(f"dpm_solver_{precision}")
    tag, schedule, sampler = run["tag"], schedule_of(run["schedule"], T), sampler_of(run)
    evaluations = sampler.evaluations(schedule)
    timesteps = [e.timestep for e in evaluations]
    dtype = T[f"{tag}.final"].dtype
    network = ToyNetwork(T, run, timesteps, dtype)
    starts: list[torch.Tensor] = []

    def denoise(k: int, x: torch.Tensor) -> torch.Tensor:
        if evaluations[k].stage == 0:
            starts.append(x)
        return network(k, x)

    sample = sampler.sample(denoise, T[f"x_T.{run['schedule']}"].to(dtype), schedule, None)
    assert len(timesteps) == run["model_calls"]
    assert relative(torch.tensor(timesteps, dtype=torch.float64), T[f"{tag}.t_input"].double()) < TOLERANCE[precision]
    rows = [*starts, sample] if run["method"] == "multistep" else [*starts[1:], sample]  # a row is x between steps
    for x, expected in zip(rows, T[f"{tag}.traj"], strict=True):
        assert relative(x, expected) < TOLERANCE[precision]
    assert relative(sample, T[f"{tag}.final"]) < TOLERANCE[precision]


@pytest.mark.parametrize("name", ["linear", "sd", "cosine", "vplinear"])
def test_schedule(name: str) -> None:
    T, J = load("dpm_solver_f64")
    schedule = lambda_schedule(schedule_of(name, T))
    if name != "vplinear":
        assert schedule.first_time == 1 / J["total_N"][name]
    inside = T["probe.t"] >= schedule.first_time  # no time is taken before the first step
    times, lambdas = T["probe.t"][inside].tolist(), T[f"probe.{name}.lambda"][inside]
    mapped = torch.tensor([schedule.to_lambda(t) for t in times], dtype=torch.float64)
    inverse = torch.tensor([schedule.to_time(lam) for lam in lambdas.tolist()], dtype=torch.float64)
    assert relative(mapped, lambdas) < 1e-12
    assert relative(inverse, T[f"probe.{name}.inverse_lambda"][inside]) < 1e-12


@pytest.mark.parametrize("run", entries("uvit_dpm", "runs"), ids=lambda run: run["tag"])
def test_uvit_solver(run: dict) -> None:
    """On the recorded U-ViT; its guidance is cond + s (cond - uncond)."""
    T, J = load("uvit_dpm")
    tag, model, schedule = run["tag"], build_model("uvit_dpm", UViT), sqrt_linear()
    sampler = DPMSolverPlusPlus(steps=run["nfe_requested"], variant=f"uvit-{run['method']}")
    assert sampler.order == run["order"]
    evaluations = sampler.evaluations(schedule)
    starts: list[torch.Tensor] = []

    def denoise(k: int, x: torch.Tensor) -> torch.Tensor:
        if evaluations[k].stage == 0:
            starts.append(x)
        t = torch.full((len(x),), evaluations[k].timestep)
        cond, uncond = model(x, t, T["y"]), model(x, t, torch.full_like(T["y"], J["uncond_label"]))
        return cond + J["cfg_scale"] * (cond - uncond)

    sample = sampler.sample(denoise, T[f"{tag}.x_T"], schedule, None)
    timesteps = torch.tensor([e.timestep for e in evaluations], dtype=torch.float64)
    assert relative(timesteps, T[f"{tag}.t_calls"]) < 1e-6  # recorded in float32
    for x, expected in zip([*starts[1:], sample], T[f"{tag}.traj"], strict=True):
        assert relative(x, expected) < 2e-5
