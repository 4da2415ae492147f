"""DDIM, DDPM and the respaced tables against trajectories recorded from the official DiT."""

import numpy as np
import pytest
import torch
from golden_vectors import build_model, entries, find, load, relative, requires

from methods.ddim import DDIM
from methods.ddpm import DDPM
from methods.respacing import respace
from models.dit import DiT
from models.noise_schedule import linear

TOLERANCE = 2e-5  # of max|reference|; a 1e-6 change of x_T moves the results by up to 6.5e-6
TABLED = [("dit_ddim", 10), ("dit_ddim", 20), ("dit_ddim", 50), ("dit_stochastic", 25)]
TABLES = (
    "timestep_map",
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
)


class Guided:
    """The recorded network under the official guidance: [cond; uncond] halves share x, three channels guided."""

    def __init__(self, name: str, timesteps: list[float], labels: torch.Tensor, scale: float) -> None:
        self.model = build_model(name, DiT)
        self.timesteps, self.labels, self.scale = timesteps, labels, scale
        self.inputs: list[torch.Tensor] = []

    def __call__(self, k: int, x: torch.Tensor) -> torch.Tensor:
        self.inputs.append(x)
        t = torch.full((len(self.labels),), self.timesteps[k])
        if len(x) == len(self.labels):
            return self.model(x, t, self.labels)
        out = self.model(x.repeat(2, 1, 1, 1), t, self.labels)
        cond, uncond = out.chunk(2)
        return torch.cat([uncond[:, :3] + self.scale * (cond - uncond)[:, :3], cond[:, 3:]], dim=1)


def trajectory(sampler, denoise: Guided, x: torch.Tensor, step_noise=None) -> list[torch.Tensor]:
    """x after every step: what each later evaluation received, and the sample."""
    sample = sampler.sample(denoise, x, linear(), step_noise)
    return [*denoise.inputs[1:], sample]


def timesteps(sampler) -> list[float]:
    return [e.timestep for e in sampler.evaluations(linear())]


def assert_trajectory(steps: list[torch.Tensor], reference: torch.Tensor, samples: int) -> None:
    assert len(steps) == len(reference)
    for x, expected in zip(steps, reference, strict=True):
        assert relative(x, expected[:samples]) < TOLERANCE


@pytest.mark.parametrize("steps", entries("dit_ddim", "steps"))
def test_ddim(steps: int) -> None:
    T, J = load("dit_ddim")
    sampler = DDIM(steps=steps)
    denoise = Guided("dit_ddim", timesteps(sampler), T["y"], J["cfg_scale"])
    half = len(T["y"]) // 2
    assert_trajectory(trajectory(sampler, denoise, T[f"ddim.n{steps}.x_T"][:half]), T[f"ddim.n{steps}.traj"], half)


@requires("dit_stochastic")
@pytest.mark.parametrize("steps", [10, 25])
@pytest.mark.parametrize(("kind", "settings"), [("ddpm", {}), ("ddim_eta1", {"eta": 1.0})])
def test_stochastic(kind: str, settings: dict, steps: int) -> None:
    T, J = load("dit_stochastic")
    sampler = DDIM(steps=steps, **settings) if settings else DDPM(steps=steps)
    denoise = Guided("dit_stochastic", timesteps(sampler), T["y"], J["cfg_scale"])
    half = len(T["y"]) // 2
    noise = T[f"{kind}.n{steps}.noise"][:, :half]
    steps_taken = trajectory(sampler, denoise, T[f"{kind}.n{steps}.x_T"][:half], noise.__getitem__)
    assert_trajectory(steps_taken, T[f"{kind}.n{steps}.traj"], half)


@requires("dit_stochastic")
def test_clipped_partly_stochastic_unguided() -> None:
    T, _ = load("dit_stochastic")
    sampler = DDIM(steps=10, eta=0.3, clip_denoised=True)
    denoise = Guided("dit_stochastic", timesteps(sampler), T["y_nocfg"], 1.0)
    noise = T["ddim_eta0.3_clip_nocfg.n10.noise"]
    steps = trajectory(sampler, denoise, T["z_nocfg"], noise.__getitem__)
    assert_trajectory(steps, T["ddim_eta0.3_clip_nocfg.n10.traj"], len(T["z_nocfg"]))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("name", "steps"), TABLED)
def test_tables(name: str, steps: int, table: str) -> None:
    expected = load(name)[0][f"n{steps}.{table}"].numpy()
    np.testing.assert_allclose(getattr(respace(linear(), steps), table), expected, rtol=1e-12)


@pytest.mark.parametrize("spacing", list(load("dit_respacing")[1]["maps"]) if find("dit_respacing") else [])
def test_respacing(spacing: str) -> None:
    expected = load("dit_respacing")[1]["maps"][spacing]
    kind = "stride" if spacing.startswith("ddim") else "even"
    tables = respace(linear(), int(spacing.removeprefix("ddim")), kind)
    assert list(tables.timestep_map) == expected["timestep_map"]
    if kind == "even":
        ends = tables.alphas_cumprod[[0, -1]]
        np.testing.assert_allclose(ends, expected["alphas_cumprod_first_last"], rtol=1e-12)
