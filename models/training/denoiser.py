"""Training of a small denoiser on the latents of digits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from models.denoiser import Denoiser

LATENT_LABELS = tuple[Tensor, Tensor]


@dataclass
class DenoisingLoss:
    """DDPM's simple loss (Ho et al. 2020, equation 14) on latents [N,C,H,W] with labels [N].

    A model with 2C output channels also learns its variance: the variational term of Nichol & Dhariwal 2021
    (equations 15 and 16) with the mean detached is added.
    """

    latents: Tensor
    labels: Tensor
    batch: int
    label_dropout: float = 0.1

    def __call__(self, model: nn.Module, generator: torch.Generator) -> Tensor:
        assert isinstance(model, Denoiser)
        B = self.batch
        chosen = torch.randint(len(self.latents), (B,), generator=generator)
        x0, y = self.latents[chosen], self.labels[chosen].clone()
        y[torch.rand(B, generator=generator) < self.label_dropout] = model.null_label
        schedule = model.noise_schedule
        index = torch.randint(len(schedule), (B,), generator=generator)
        noise = torch.randn(x0.shape, generator=generator)
        abar = torch.from_numpy(schedule.alphas_cumprod)[index].view(-1, 1, 1, 1)
        xt = (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).float()
        out = model(xt, index + schedule.first_timestep, y)
        C = x0.shape[1]
        loss = mse_loss(out[:, :C], noise)
        if out.shape[1] == 2 * C:
            loss = loss + variational_term(model, out[:, :C].detach(), out[:, C:], x0, xt, index)
        return loss


def variational_term(model: Denoiser, eps: Tensor, v: Tensor, x0: Tensor, xt: Tensor, index: Tensor) -> Tensor:
    """KL of the true posterior from the predicted step, bits a dimension; at index 0 the Gaussian likelihood of x0."""
    betas = torch.from_numpy(model.noise_schedule.betas)
    abar = torch.from_numpy(model.noise_schedule.alphas_cumprod)
    before = torch.cat([torch.ones(1, dtype=abar.dtype), abar[:-1]])

    def at(table: Tensor) -> Tensor:
        return table[index].view(-1, 1, 1, 1).float()

    posterior = betas * (1 - before) / (1 - abar)  # Ho et al. 2020, equation 7
    low = torch.cat([posterior[1:2], posterior[1:]]).log()  # the first entry is 0: clipped, as in the official code
    fraction = (v + 1) / 2
    log_variance = fraction * at(betas.log()) + (1 - fraction) * at(low)  # equation 15
    predicted_x0 = (xt - at(1 - abar).sqrt() * eps) / at(abar).sqrt()
    coefficient = at(before.sqrt() * betas / (1 - abar))  # of x0 in the posterior mean
    gap = (coefficient * (x0 - predicted_x0)).square()
    kl = 0.5 * (log_variance - at(low) + (at(low) - log_variance).exp() + gap * (-log_variance).exp() - 1)
    return kl.mean() / torch.log(torch.tensor(2.0))
