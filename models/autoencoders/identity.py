"""identity: for models of pixels. Their latents are the images themselves, scaled to [-1, 1]."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from models.autoencoders.autoencoder import Autoencoder
from models.digit_autoencoder import to_pixels, to_uint8
from models.errors import InputError

NAMES = ("identity",)


class Identity(Autoencoder):
    """Images uint8 [B,C,H,W], latents float32 of the same shape; values outside [-1, 1] are clipped."""

    name = fingerprint = "identity"
    rounding = "half-even"

    def __init__(self) -> None:
        self.network = nn.Identity()

    def decoder_pass(self, latents: Tensor) -> Tensor:
        """The latents as they are: they are pixels."""
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels [B,C,H,W] in [-1, 1] -> images uint8 [B,C,H,W]."""
        return to_uint8(latents.float())

    def encode(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return to_pixels(images)


def build(name: str, weights: str | Path | None, device: torch.device, dtype: torch.dtype) -> Identity:
    if weights is not None:
        raise InputError(f"{name}: this autoencoder has no weights, got {weights}")
    return Identity()
