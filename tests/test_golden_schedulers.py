"""Samplers against diffusers' schedulers: where they evaluate, and trajectories in float64."""

import golden_field as field
import numpy as np
import pytest
import torch
from golden_vectors import relative

import methods
from bench.sampling import sample
from bench.sampling.compiled import Execution
from models.errors import InputError
from models.noise_schedule import linear

NAME = "diffusers_schedulers"
OURS = {
    "UniPCMultistepScheduler": "unipc",
    "DEISMultistepScheduler": "deis",
    "HeunDiscreteScheduler": "heun",
    "DDIMScheduler": "ddim",
    "DPMSolverMultistepScheduler": "dpm-solver++",
    "DPMSolverSinglestepScheduler": "dpm-solver++",
}
RENAMED = {"solver_order": "order", "timestep_spacing": "spacing", "final_sigmas_type": "final_sigma"}


def sampler_of(run):
    """Our sampler with diffusers' options."""
    name, params = OURS[run["scheduler"]], {"steps": run["steps"]}
    if name == "ddim":
        params["spacing"] = "leading"  # the scheduler's default
    elif name == "dpm-solver++":
        params |= {"spacing": "linspace", "variant": "singlestep" if "Singlestep" in run["scheduler"] else "multistep"}
    for key, value in run["options"].items():
        if key in ("use_karras_sigmas", "use_lu_lambdas"):
            params["sigmas"] = "karras" if key == "use_karras_sigmas" else "lu"
        elif key == "disable_corrector":
            params["uncorrected"] = len(value)
        elif key == "algorithm_type":
            name = {"dpmsolver": "dpm-solver"}[value]
        elif key == "solver_type" and name.startswith("dpm"):
            params[key] = {"heun": "taylor"}.get(value, value)
        elif key == "euler_at_final":  # with zero final noise the last step is of first order anyway
            continue
        elif key == "steps_offset":
            params["offset"] = value
        else:
            params[RENAMED.get(key, key)] = value
    if "effective_lower_order_final" in run:
        params["lower_order_final"] = run["effective_lower_order_final"]
    return methods.build(name, **params)


def gate(run):
    """1e-5 with tables in float64; 5e-5 where the tables themselves move the recorded result by more."""
    return 1e-5 if run["robustness"]["float64_tables_rel"] < 9e-6 else 5e-5


@pytest.mark.parametrize(("name", "run"), field.runs(NAME))
def test_scheduler(name, run):
    if "error" in run:
        with pytest.raises(InputError, match="sigma_min"):
            sampler_of(run)
        return
    T, J = field.load(name)
    sampler, model = sampler_of(run), field.model(name, torch.float64)
    timesteps = [e.timestep for e in sampler.evaluations(model.noise_schedule)]
    inverted = "use_karras_sigmas" in run["options"]  # from noise levels, through diffusers' tables in float32
    assert np.allclose(timesteps, run["timesteps_of_model_calls"], rtol=0, atol=6e-3 if inverted else 2e-4)
    half = len(T["x_T"]) // 2
    final = sample(
        model,
        sampler,
        noise=T["x_T"][:half].double(),
        labels=torch.tensor(J["labels"][:half]),
        guidance_scale=J["cfg_scale"],
        guidance_channels=3,
        options=Execution("plain"),
    )
    assert relative(final, T[f"{run['tag']}.final"][:half]) < gate(run)


GRIDS = {
    "unipc": ("unipc", {}),
    "deis": ("deis", {}),
    "heun": ("heun", {}),
    "ddim": ("ddim", {}),
    "dpm_multistep": ("dpm-solver++", {}),
    "dpm_singlestep": ("dpm-solver++", {"variant": "singlestep"}),
}


def tables():
    """(scheduler, spacing, further options, recorded table) of every scheduler, spacing and number of steps."""
    found = []
    for tag, table in field.sidecar(NAME).get("timestep_tables", {}).items():
        scheduler, spacing, *options, steps = tag.split(".")
        found.append(pytest.param(scheduler, spacing, options, int(steps[1:]), table, id=tag))
    return found


def signal(sigmas):
    """ᾱ of noise levels σ."""
    return 1 / (1 + np.square(sigmas))


@pytest.mark.parametrize(("scheduler", "spacing", "options", "steps", "table"), tables())
def test_a_grid_is_diffusers_grid(scheduler, spacing, options, steps, table):
    """Timesteps exactly, Heun's fractional ones as float32 holds them, and noise levels as float32 holds their ᾱ."""
    name, params = GRIDS[scheduler]
    if options and name != "ddim":
        pytest.skip("an offset of trained steps is a parameter of ddim alone")
    params = params | ({"offset": 1} if options else {})
    schedule, sampler = linear(), methods.build(name, steps=steps, spacing=spacing, **params)
    timesteps = [e.timestep for e in sampler.evaluations(schedule)]
    assert np.allclose(timesteps, table["timesteps"], rtol=0, atol=1e-4 if name == "heun" else 0)
    if table.get("sigmas"):  # Heun's stand there twice but for the ends
        recorded = list(dict.fromkeys(table["sigmas"]))
        assert np.allclose(signal(sampler.grid(schedule).sigmas), signal(recorded), rtol=1e-6, atol=0)
