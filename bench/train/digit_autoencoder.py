"""Training of the digit autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.train import digits
from bench.train.recipe import Recipe
from models.digit_autoencoder import DigitAutoencoder, to_pixels

recipe = Recipe(steps=2400, batch=128, learning_rate=2e-3, ema_decay=0.998)
LATENT_NOISE = 0.15  # in units of the latents' standard deviation


def build() -> DigitAutoencoder:
    return DigitAutoencoder()


def loss(model: nn.Module, generator: torch.Generator) -> Tensor:
    """Mean squared error through noisy latents."""
    images, _ = digits.load()
    pixels = to_pixels(images[torch.randint(len(images), (recipe.batch,), generator=generator)])
    latents = model.encode(pixels)
    noisy = latents + LATENT_NOISE * torch.randn(latents.shape, generator=generator)
    return (model.decode_pixels(noisy) - pixels).square().mean()


@torch.no_grad()
def card_metrics(model: DigitAutoencoder) -> dict[str, float]:
    """Reconstruction error and latent moments over all digits; written to the model card."""
    images, _ = digits.load()
    latents = model.encode(to_pixels(images))
    error = (model.decode(latents).float() - images.float()) / 255
    return {
        "psnr_db": -10 * error.square().mean().log10().item(),
        "latent_mean": latents.mean().item(),
        "latent_std": latents.std().item(),
    }
