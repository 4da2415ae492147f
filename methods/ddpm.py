"""DDPM: ancestral sampling (Ho et al., arXiv 2006.11239) on respaced steps, with DiT's learned variance where given."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from methods.method import Evaluation, Parameter, Sampler
from methods.respacing import Respaced, respace
from methods.spacing import OFFICIAL, SPACINGS, even_points
from models.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from methods.method import Denoise, StepNoise


class DDPM(Sampler):
    """x_{i-1} ~ N(posterior mean, variance): learned for [B,2C,H,W] outputs, else the posterior's."""

    name = "ddpm"
    title = "DDPM"
    parameters = {
        "steps": Parameter(int, 250, 1, 1000, help="respaced steps; one evaluation each"),
        "clip_denoised": Parameter(bool, False, help="clamp every prediction of the clean image to [-1, 1]"),
        "spacing": Parameter(str, None, choices=SPACINGS, help="official, the default: as DiT; or one of diffusers'"),
    }
    tiny = {"steps": 4}
    steps: int
    clip_denoised: bool
    spacing: str | None

    def tables(self, schedule: NoiseSchedule) -> Respaced:
        """ᾱ, posterior and timesteps of the respaced steps."""
        if self.spacing in (None, OFFICIAL):
            return respace(schedule, self.steps)
        # As diffusers' DDPMScheduler, and unlike its DDIM: a step ends where the next evaluation is.
        visited = [round(t) for t in reversed(even_points(self.spacing, len(schedule), self.steps))]
        return Respaced(tuple(visited), schedule.alphas_cumprod, schedule.first_timestep)

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """One a step, from noise to clean."""
        return self.tables(schedule).evaluations()

    def sample(self, denoise: Denoise, x: Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> Tensor:
        """Ancestral sampling of x [B,C,H,W]: the posterior's mean and noise at every step; see Sampler.sample."""
        tables = self.tables(schedule)
        for k, i in enumerate(reversed(range(len(tables)))):
            out = denoise(k, x)
            # [B,C,H,W] each, or no channels of variance where the network learned none.
            noise, variance = out[:, : x.shape[1]], out[:, x.shape[1] :]
            # Clean image from x and the noise, the forward process (2006.11239 eq. 4) solved for x_0.
            clean = tables.predict_clean(i, x, noise)
            if self.clip_denoised:
                clean = clean.clamp(-1, 1)
            # Posterior mean, 2006.11239 eq. 7.
            x = float(tables.posterior_mean_coef1[i]) * clean + float(tables.posterior_mean_coef2[i]) * x
            # Add the step's noise; the last step returns its mean.
            if i > 0:
                x = x + standard_deviation(tables, i, variance) * step_noise(k)
        return x


def standard_deviation(tables: Respaced, i: int, variance: Tensor) -> Tensor | float:
    """Square root of the step's variance; `variance` is the network's [B,C,H,W], or [B,0,H,W] if it learned none.

    A learned v in [-1, 1] interpolates between log posterior variance and log beta (arXiv 2102.09672, eq. 15).
    """
    # Logarithms of the two bounds: posterior variance and beta.
    low = float(tables.posterior_log_variance_clipped[i])
    if variance.shape[1] == 0:
        return math.exp(0.5 * low)
    high = math.log(tables.betas[i])
    share = (variance + 1) / 2
    return (0.5 * (share * high + (1 - share) * low)).exp()
