"""DDIM (Song et al., arXiv 2010.02502) on respaced steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from methods.dpm_prediction import PREDICTIONS, to_noise
from methods.method import Evaluation, Parameter, Sampler
from methods.respacing import EVEN, FIXED_STRIDE, STRIDE, Respaced, respace
from methods.spacing import SPACINGS
from models.errors import InputError
from models.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from methods.method import Denoise, StepNoise


class DDIM(Sampler):
    """Deterministic at eta = 0; eta = 1 adds as much noise as DDPM's posterior. Learned variances are not used."""

    name = "ddim"
    title = "DDIM"
    parameters = {
        "steps": Parameter(int, 50, 1, 1000, help="respaced steps; one evaluation each"),
        "eta": Parameter(float, 0.0, 0.0, 1.0, help="noise added at each step, as a fraction of DDPM's"),
        "clip_denoised": Parameter(bool, False, help="clamp every prediction of the clean image to [-1, 1]"),
        "spacing": Parameter(
            str, EVEN, choices=(EVEN, STRIDE, *SPACINGS), help="even, official: as DiT; stride: the paper's; diffusers'"
        ),
        "offset": Parameter(int, None, 0, 999, help="added to diffusers' trained steps"),
        "set_alpha_to_one": Parameter(bool, None, help="diffusers' last step ends without noise; default true"),
        "prediction": Parameter(str, None, choices=PREDICTIONS, help="what the network predicts; default: noise"),
    }
    tiny = {"steps": 4}
    steps: int
    eta: float
    clip_denoised: bool
    spacing: str
    offset: int | None
    set_alpha_to_one: bool | None
    prediction: str | None

    def validate(self) -> None:
        """Raises InputError where `offset` or `set_alpha_to_one` is given with a spacing that has none."""
        if self.spacing == "official":
            self.spacing = self.params["spacing"] = EVEN
        for key in ("offset", "set_alpha_to_one"):
            if self.params[key] is not None and self.spacing not in FIXED_STRIDE:
                raise InputError(f"ddim: '{key}' needs 'spacing' of {', '.join(FIXED_STRIDE)}, got '{self.spacing}'")

    @property
    def label(self) -> str:
        """`DDIM-50 (η=0.5, leading)`: what differs from the defaults in brackets."""
        settings = [f"η={self.eta:g}"] * (self.eta > 0) + [self.spacing] * (self.spacing != EVEN)
        return super().label + (f" ({', '.join(settings)})" if settings else "")

    def tables(self, schedule: NoiseSchedule) -> Respaced:
        """ᾱ and timesteps of the chosen steps."""
        from_one = self.set_alpha_to_one is not False
        return respace(schedule, self.steps, self.spacing, self.offset or 0, from_one)

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """One a step, from noise to clean."""
        return self.tables(schedule).evaluations()

    def sample(self, denoise: Denoise, x: Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> Tensor:
        """From x [B,C,H,W] at the noisiest step to the clean sample, eq. 12 at every step; see Sampler.sample."""
        tables = self.tables(schedule)
        for k, i in enumerate(reversed(range(len(tables)))):
            noise = self.noise(tables, i, denoise(k, x)[:, : x.shape[1]], x)  # ε [B,C,H,W], without variances
            clean = tables.predict_clean(i, x, noise)  # eq. 9
            if self.clip_denoised:
                clean = clean.clamp(-1, 1)
                noise = tables.predict_noise(i, x, clean)
            sigma = self.sigma(tables, i)  # eq. 16
            before = float(tables.alphas_cumprod_prev[i])
            x = math.sqrt(before) * clean + math.sqrt(1 - before - sigma**2) * noise  # eq. 12
            if sigma > 0:
                x = x + sigma * step_noise(k)
        return x

    def noise(self, tables: Respaced, i: int, out: Tensor, x: Tensor) -> Tensor:
        """The noise in x at index i, from the network's output."""
        signal = float(tables.alphas_cumprod[i])
        return to_noise(self.prediction or "noise", out, x, math.sqrt(signal), math.sqrt(1 - signal))

    def sigma(self, tables: Respaced, i: int) -> float:
        """Standard deviation of the noise added after index i (eq. 16); zero after the last step."""
        now, before = float(tables.alphas_cumprod[i]), float(tables.alphas_cumprod_prev[i])
        return self.eta * math.sqrt((1 - before) / (1 - now) * (1 - now / before))
