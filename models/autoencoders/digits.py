"""digit-autoencoder: the small models' own, shipped with its weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from models.autoencoders.autoencoder import Autoencoder
from models.checkpoint import load_into, sha256
from models.digit_autoencoder import DigitAutoencoder, to_pixels, to_uint8
from models.places import WEIGHTS

NAMES = ("digit-autoencoder",)


class Digits(Autoencoder):
    """Digits uint8 [B,1,32,32], latents [B,8,4,4]; it has no posterior to draw from."""

    rounding = "half-even"
    network: DigitAutoencoder

    def __init__(self, name: str, network: DigitAutoencoder, digest: str) -> None:
        self.name, self.network, self.fingerprint = name, network, f"{name}:{digest[:16]}"

    def decoder_pass(self, latents: Tensor) -> Tensor:
        """Latents [B,C,h,w] in the network's scale -> images [B,1,H,W] as the decoder gives them."""
        return self.network.decode_pixels(latents)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B,C,h,w] -> images uint8 [B,1,H,W]."""
        return to_uint8(self.decoder_pass(latents.float()))

    @torch.no_grad()
    def encode(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images [B,1,H,W] -> latents [B,C,h,w] in the scale that the network is trained on; nothing is drawn."""
        return self.network.encode(to_pixels(images))


def build(name: str, weights: str | Path | None, device: torch.device, dtype: torch.dtype) -> Digits:
    path = WEIGHTS / name / "weights.safetensors" if weights is None else Path(weights)
    network = DigitAutoencoder()
    load_into(network, path)
    return Digits(name, network.eval().requires_grad_(False).to(device), sha256(path))
