"""What every autoencoder offers."""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel


class Autoencoder(ABC):
    """Images to latents and back; the network's own latent scale is hidden inside."""

    name: str
    fingerprint: str  # name and the beginning of the weights' SHA-256
    rounding: str  # how decoded pixels become bytes
    network: nn.Module

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B,C,H,W] -> images uint8 [B,1|3,H',W'], on the latents' device."""

    @abstractmethod
    def encode(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images uint8 [B,1|3,H',W'] -> latents float32 [B,C,H,W].

        The posterior's mean, or with a generator a draw from it where the autoencoder has a posterior.
        """

    @abstractmethod
    def decoder_pass(self, latents: Tensor) -> Tensor:
        """The network's part of `decode`: latents [B,C,H,W] -> pixels."""

    def decode_macs(self, latent_shape: tuple[int, int, int]) -> int:
        """Multiply-accumulates that decode one latent [C,H,W]: matmuls, convolutions and attention products."""
        used, self.network = self.network, copy.deepcopy(self.network).to("meta")
        try:
            with sdpa_kernel(SDPBackend.MATH), flop_counter() as counter, torch.no_grad():
                self.decoder_pass(torch.empty(1, *latent_shape, device="meta"))
        finally:
            self.network = used
        return counter.get_total_flops() // 2


def flop_counter() -> Any:
    """torch's FlopCounterMode. Without triton (macOS, Windows, CPU-only builds) its import logs a warning, not ours."""
    log = logging.getLogger("torch.utils.flop_counter")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        from torch.utils.flop_counter import FlopCounterMode
    finally:
        log.setLevel(level)
    return FlopCounterMode(display=False)
