"""What `--data PATH` means: latents, or images that are encoded while training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench.host.listing import files_in
from bench.train.denoiser import Data
from bench.train.distributed import World
from bench.train.images import Images, open_images
from bench.train.latents import open_latents
from models.autoencoders import Autoencoder
from models.errors import InputError
from models.spec import ModelSpec


@dataclass
class EncodedImages:
    """Draws images, each mirrored with probability 1/2, and latents of them where the autoencoder has a posterior."""

    images: Images
    autoencoder: Autoencoder
    device: torch.device

    @property
    def name(self) -> str:
        return self.images.name

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(self.images), (count,), generator=generator)
        flips = torch.rand(count, generator=generator) < 0.5
        pixels = self.images.read(chosen.tolist()).to(self.device)
        flips = flips.to(self.device).view(-1, 1, 1, 1)
        with torch.autocast(self.device.type, enabled=False), torch.no_grad():
            latents = self.autoencoder.encode(torch.where(flips, pixels.flip(-1), pixels), generator)
        return latents.float(), self.images.labels[chosen]


def open_data(path: Path, spec: ModelSpec, world: World, threads: int = 1) -> Data:
    """Latents where the path is a safetensors file or a folder of them, else images. Raises InputError in one line."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder of training data")
    if path.suffix == ".safetensors" or (path.is_dir() and files_in(path, ".safetensors")):
        return open_latents(path, spec)
    autoencoder = world.in_turn(lambda: spec.pixels(world.device))
    return EncodedImages(open_images(path, spec, threads), autoencoder, world.device)
