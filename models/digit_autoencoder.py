"""The small models' autoencoder: digits [B,1,32,32] to latents [B,8,4,4] and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LATENT_CHANNELS = 8


class DigitAutoencoder(nn.Module):
    """Convolutional autoencoder, stride 8. Latents have zero mean and unit variance per channel over the data.

    Trained with noise on the latents, so that small errors of a denoiser stay small in pixels.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1),  # 32 -> 16
            nn.SiLU(),
            nn.Conv2d(width, width, 4, stride=2, padding=1),  # 16 -> 8
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # 8 -> 4
            nn.SiLU(),
            nn.Conv2d(2 * width, LATENT_CHANNELS, 1),
        )
        self.whiten = nn.BatchNorm2d(LATENT_CHANNELS, affine=False)  # its running moments are the latent scale
        self.decoder = nn.Sequential(
            nn.Conv2d(LATENT_CHANNELS, 2 * width, 3, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),  # 4 -> 8
            nn.SiLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),  # 8 -> 16
            nn.SiLU(),
            nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1),  # 16 -> 32
            nn.SiLU(),
            nn.Conv2d(width // 2, 1, 3, padding=1),
        )

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B,1,32,32] in [-1, 1] -> latents [B,8,4,4]."""
        return self.whiten(self.encoder(pixels))

    def decode_pixels(self, latents: Tensor) -> Tensor:
        """Latents [B,8,4,4] -> pixels [B,1,32,32], about [-1, 1]."""
        return self.decoder(latents)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B,8,4,4] -> images uint8 [B,1,32,32]; round((x + 1) * 127.5), clipped to 0..255."""
        return to_uint8(self.decode_pixels(latents.float()))


def to_uint8(pixels: Tensor) -> Tensor:
    """Pixels in [-1, 1] -> uint8, rounded half to even."""
    return ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_pixels(images: Tensor) -> Tensor:
    """uint8 images -> float32 pixels in [-1, 1]."""
    return images.float() / 127.5 - 1
