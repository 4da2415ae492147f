"""A DiT that is trained for something else than noise: what it puts out is the noise that follows from its prediction.

So every sampler and cache method takes it as it takes the others. Where x_t, α and σ are known, noise, clean latents
and velocity say the same; they differ in what the network finds easy and in how its errors weigh.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.dit import DiT
from models.dit_variants import ObjectiveStructure
from models.prediction import PREDICTIONS


@dataclass(frozen=True)
class Reading:
    """DiT's modulation, and beside it what the output is read with: x [B,C,H,W], α and σ float32 [B,1,1,1]."""

    modulation: Any
    x: Tensor
    alpha: Tensor
    sigma: Tensor

    def __call__(self, part: int, first: int, last: int) -> list[Tensor]:
        return self.modulation(part, first, last)


class ObjectiveDiT(ObjectiveStructure, DiT):
    """Weights are those of a DiT with `learn_sigma=False`; output [B,C,H,W], noise."""

    def embed(self, x: Tensor, t: Tensor, y: Tensor, c: Any = None) -> tuple[Tensor, Any]:
        """As DiT's, of x [B,C,H,W] scaled as the prediction has it."""
        alpha, sigma = self.signal_and_noise(t)
        entered = PREDICTIONS[self.prediction].enter(x.float(), alpha, sigma).to(x.dtype)
        h, modulation = super().embed(entered, t, y, c)
        return h, Reading(modulation, x, alpha, sigma)

    def unembed(self, h: Tensor, c: Any) -> Tensor:
        """Tokens [B,T,D] -> noise [B,C,H,W]."""
        out = super().unembed(h, c)
        return PREDICTIONS[self.prediction].noise(out.float(), c.x.float(), c.alpha, c.sigma).to(out.dtype)

    def error_scale(self, t: Tensor) -> Tensor:
        """[B,1,1,1]: errors of the prediction over those of the noise, at network timesteps t [B]."""
        return PREDICTIONS[self.prediction].scale(*self.signal_and_noise(t))

    def signal_and_noise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ float32 [B,1,1,1] at network timesteps t [B]; log α is linear between trained steps."""
        schedule = self.noise_schedule
        log_alpha = torch.from_numpy(0.5 * np.log(schedule.alphas_cumprod)).to(t.device)
        place = (t.double() - schedule.first_timestep).clamp(0, len(schedule) - 1)
        below = place.long().clamp(max=len(schedule) - 2)
        at = torch.lerp(log_alpha[below], log_alpha[below + 1], place - below).view(-1, 1, 1, 1)
        return at.exp().float(), (-torch.expm1(2 * at)).sqrt().float()
