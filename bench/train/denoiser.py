"""Training of a denoiser on latents."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from models.denoiser import Denoiser
from models.noise_schedule import NoiseSchedule


class Data(Protocol):
    """What is trained on."""

    @property
    def name(self) -> str:
        """What it is, for cards and checkpoints."""
        ...

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents float32 [count,C,H,W], on any device, and labels int64 [count]; all randomness from the generator."""
        ...


@dataclass
class DenoisingLoss:
    """DDPM's simple loss (Ho et al. 2020, equation 14) on `batch` latents a call, in what the network predicts.

    A denoiser with 2C output channels also learns its variance: the variational term of Nichol & Dhariwal 2021
    (equations 15 and 16) with the mean detached is added, each timestep's alone and not scaled, as DiT was trained.
    """

    denoiser: Denoiser  # its schedule and null label
    data: Data
    batch: int
    label_dropout: float = 0.1
    discretised: bool = False

    def __call__(self, model: nn.Module, generator: torch.Generator) -> Tensor:
        """`model` predicts as the denoiser does: it, or a replica of it. Everything is drawn on the CPU."""
        device, schedule = next(model.parameters()).device, self.denoiser.noise_schedule
        x0, y = self.data.draw(self.batch, generator)
        y = drop_labels(y, self.denoiser, self.label_dropout, generator)
        index = torch.randint(len(schedule), (self.batch,), generator=generator)
        noise = torch.randn(x0.shape, generator=generator).to(device)
        x0, y, index = x0.to(device), y.to(device), index.to(device)
        abar = torch.from_numpy(schedule.alphas_cumprod).to(device)[index].view(-1, 1, 1, 1)
        xt = (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).float()
        t = index + schedule.first_timestep
        out = model(xt, t, y).float()
        C, scale = x0.shape[1], self.denoiser.error_scale(t)
        loss = mse_loss(scale * out[:, :C], scale * noise)
        if out.shape[1] == 2 * C:
            eps, v = out[:, :C].detach(), out[:, C:]
            loss = loss + variational_term(schedule, eps, v, x0, xt, index, self.discretised)
        return loss


def drop_labels(y: Tensor, denoiser: Denoiser, probability: float, generator: torch.Generator) -> Tensor:
    """Labels [B] of which some are the null class's, for guidance; a denoiser without one keeps them all."""
    dropped = torch.rand(len(y), generator=generator) < probability  # drawn anyway: the next draws are the same
    return y.masked_fill(dropped, denoiser.null_label) if denoiser.can_be_guided else y


def variational_term(
    schedule: NoiseSchedule, eps: Tensor, v: Tensor, x0: Tensor, xt: Tensor, index: Tensor, discretised: bool = False
) -> Tensor:
    """KL of the true posterior from the predicted step, bits a dimension; `v` [B,C,H,W] in [-1, 1] is the variance.

    At index 0, which has no posterior, `discretised` takes the likelihood of x0 as 8-bit values in [-1, 1], as the
    official code does for latents too; otherwise the posterior's variance is clipped to that of index 1.
    """
    tables = posterior(schedule)

    def at(key: str) -> Tensor:
        return torch.from_numpy(tables[key]).to(xt.device)[index].view(-1, 1, 1, 1).float()

    fraction = (v + 1) / 2
    log_variance = fraction * at("log_beta") + (1 - fraction) * at("log_variance")  # equation 15
    predicted_x0 = (xt - at("sigma") * eps) / at("alpha")
    gap = (at("of_x0") * (x0 - predicted_x0)).square()
    low = at("log_variance")
    term = 0.5 * (log_variance - low + (low - log_variance).exp() + gap * (-log_variance).exp() - 1)
    if discretised:
        mean = at("of_x0") * predicted_x0 + at("of_xt") * xt
        last = (index == 0).view(-1, 1, 1, 1)
        term = torch.where(last, -discretised_likelihood(x0, mean, 0.5 * log_variance), term)
    return term.mean() / math.log(2)


def posterior(schedule: NoiseSchedule) -> dict[str, np.ndarray]:
    """Tables [N] of q(x_{t-1} | x_t, x_0), Ho et al. 2020, equations 6 and 7; log variance 0 is clipped to 1's."""
    betas, abar = schedule.betas, schedule.alphas_cumprod
    before = np.append(1.0, abar[:-1])
    variance = betas * (1 - before) / (1 - abar)
    return {
        "alpha": np.sqrt(abar),
        "sigma": np.sqrt(1 - abar),
        "log_beta": np.log(betas),
        "log_variance": np.log(np.append(variance[1], variance[1:])),
        "of_x0": np.sqrt(before) * betas / (1 - abar),
        "of_xt": (1 - before) * np.sqrt(1 - betas) / (1 - abar),
    }


def discretised_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log probability of the 8-bit bin that x in [-1, 1] lies in (Ho et al. 2020, equation 13); the edges are open."""
    above = torch.special.ndtr((x - mean + 1 / 255) * (-log_scale).exp())
    below = torch.special.ndtr((x - mean - 1 / 255) * (-log_scale).exp())
    inside = torch.where(x > 0.999, 1 - below, torch.where(x < -0.999, above, above - below))
    return inside.clamp(min=1e-12).log()
