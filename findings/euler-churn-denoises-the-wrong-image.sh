#!/usr/bin/env bash
# diffusers EulerDiscreteScheduler / EDMEulerScheduler: s_churn adds its noise
# AFTER the network was evaluated.
#
# Expected. Algorithm 2 of Karras et al. 2022 (arXiv 2206.00364) first raises the
# noise level, x_hat = x + sqrt(sigma_hat^2 - sigma^2) * noise, and then evaluates
# the denoiser at (x_hat, sigma_hat). The options s_churn, s_tmin, s_tmax and
# s_noise carry the paper's names. With an exact denoiser more churn costs some
# accuracy of discretisation and nothing else, and it cannot matter whether the
# network's output is called epsilon, v or x0: the three are the same denoiser.
#
# Happens. step() receives an output that was computed at (x, sigma) and combines
# it with x_hat and sigma_hat. How wrong that is depends on the output's kind: an
# epsilon output knows nothing of the fresh noise, so part of it stays in the
# image; a v output is turned into x0 with the wrong image AND the wrong level, and
# more stays; only for an x0 output is the result about that of Algorithm 2. The
# raw output of an EDM network lies between. So with s_churn > 0 one and the same
# denoiser gives three different distributions. Nothing warns.
#
# Matters. A benchmark row "Euler, s_churn = 40" measures the parametrisation of
# the network: the images of an epsilon or v network come out noisy, and one
# concludes that "churn hurts". More steps do not cure it at equal gamma.
# Comparing SDE-like with ODE-like sampling, or networks of different output
# kinds, by it is void.
#
# Method: data ~ N(0.5, 0.3^2), whose exact denoiser is known in closed form, so
# all that is off is the sampler. The right answer is std 0.3.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.14.1 diffusers==0.42.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import platform

import diffusers
import torch
from diffusers import EDMEulerScheduler, EulerDiscreteScheduler

print("python", platform.python_version(), "torch", torch.__version__, "diffusers", diffusers.__version__)
diffusers.logging.set_verbosity_error()
MEAN, STD, IMAGES = 0.5, 0.3, 40_000


def denoise(x, sigma):
    """Posterior mean of x0 given x = x0 + sigma * noise."""
    return (STD**2 * x + sigma**2 * MEAN) / (STD**2 + sigma**2)


def start(sigma):
    torch.manual_seed(0)
    return MEAN + (STD**2 + sigma**2) ** 0.5 * torch.randn(IMAGES, 1, 1, 1)


def ddpm_output(kind, x, sigma):
    x0 = denoise(x, sigma)
    alpha = (1 + sigma**2) ** -0.5
    return {"epsilon": (x - x0) / sigma, "v_prediction": alpha * ((x - x0) / sigma - sigma * x0), "sample": x0}[kind]


def edm_output(kind, x, sigma, data=0.5):
    """The raw network of an EDM model: D = c_skip x + c_out F."""
    c_out = sigma * data / (sigma**2 + data**2) ** 0.5 * (-1 if kind == "v_prediction" else 1)
    return (denoise(x, sigma) - data**2 / (sigma**2 + data**2) * x) / c_out


def sample(scheduler, output, kind, steps, churn):
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.clone()
    x = start(sigmas[0])
    generator = torch.Generator().manual_seed(1)
    for sigma, t in zip(sigmas, scheduler.timesteps):
        scheduler.scale_model_input(x, t)
        x = scheduler.step(output(kind, x, sigma), t, x, s_churn=churn, generator=generator).prev_sample
    return x.std().item(), sigmas


def algorithm_2(sigmas, churn):
    """Karras et al., Algorithm 2, without its second-order correction."""
    x, steps = start(sigmas[0]), len(sigmas) - 1
    generator = torch.Generator().manual_seed(1)
    gamma = min(churn / steps, 2**0.5 - 1)
    for sigma, following in zip(sigmas, sigmas[1:]):
        raised = sigma * (1 + gamma)
        x = x + (raised**2 - sigma**2) ** 0.5 * torch.randn(x.shape, generator=generator)
        x = x + (following - raised) * (x - denoise(x, raised)) / raised
    return x.std().item()


def ddpm(kind):
    return EulerDiscreteScheduler(beta_start=1e-4, beta_end=0.02, prediction_type=kind, use_karras_sigmas=True)


def edm(kind):
    return EDMEulerScheduler(sigma_min=0.02, sigma_max=80.0, sigma_data=0.5, prediction_type=kind)


FAMILIES = {
    "EulerDiscrete": (ddpm, ddpm_output, ["epsilon", "v_prediction", "sample"]),
    "EDMEuler": (edm, edm_output, ["epsilon", "v_prediction"]),
}
print(f"standard deviation of the samples, exact denoiser; right answer {STD}")
found = True
for family, (make, output, kinds) in FAMILIES.items():
    for steps, churn in [(50, 0.0), (50, 10.0), (50, 40.0), (256, 0.0), (256, 40.0), (256, 1e9)]:
        rows = [sample(make(kind), output, kind, steps, churn) for kind in kinds]
        stds = dict(zip(kinds, (std for std, _ in rows)))
        paper = algorithm_2(rows[0][1], churn)
        cells = "  ".join(f"{kind} {std:.4f}" for kind, std in stds.items())
        print(f"{family:13s} steps {steps:3d} s_churn {churn:5.3g}: algorithm 2 {paper:.4f} | {cells}")
        if churn == 0:  # control: without churn all agree with one another and with the paper
            found &= max(abs(std - paper) for std in stds.values()) < 1e-3
        elif churn == 40 and steps == 50:
            excess = {"EulerDiscrete": 0.08, "EDMEuler": 0.02}[family]  # x0 outputs have none
            found &= stds["epsilon"] - paper > excess and stds["v_prediction"] - paper > excess
            found &= abs(stds.get("sample", paper) - paper) < 0.01
print("still there" if found else "no longer there")
raise SystemExit(0 if found else 1)
PY
