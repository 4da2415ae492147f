"""DDIM (Song et al., arXiv 2010.02502) on respaced steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from methods.method import Evaluation, Parameter, Sampler
from methods.respacing import EVEN, STRIDE, Respaced, respace
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
        "spacing": Parameter(str, EVEN, choices=(EVEN, STRIDE), help="even: as DiT; stride: as the DDIM paper"),
    }
    tiny = {"steps": 4}
    steps: int
    eta: float
    clip_denoised: bool
    spacing: str

    @property
    def label(self) -> str:
        settings = [f"η={self.eta:g}"] * (self.eta > 0) + [self.spacing] * (self.spacing != EVEN)
        return super().label + (f" ({', '.join(settings)})" if settings else "")

    def tables(self, schedule: NoiseSchedule) -> Respaced:
        return respace(schedule, self.steps, self.spacing)

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        return self.tables(schedule).evaluations()

    def sample(self, denoise: Denoise, x: Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> Tensor:
        tables = self.tables(schedule)
        for k, i in enumerate(reversed(range(len(tables)))):
            noise = denoise(k, x)[:, : x.shape[1]]
            clean = tables.predict_clean(i, x, noise)
            if self.clip_denoised:
                clean = clean.clamp(-1, 1)
                noise = tables.predict_noise(i, x, clean)
            sigma = self.sigma(tables, i)
            before = float(tables.alphas_cumprod_prev[i])
            x = math.sqrt(before) * clean + math.sqrt(1 - before - sigma**2) * noise  # eq. 12
            if sigma > 0:
                x = x + sigma * step_noise(k)
        return x

    def sigma(self, tables: Respaced, i: int) -> float:
        """Standard deviation of the noise added after index i (eq. 16); zero after the last step."""
        now, before = float(tables.alphas_cumprod[i]), float(tables.alphas_cumprod_prev[i])
        return self.eta * math.sqrt((1 - before) / (1 - now) * (1 - now / before))
