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
