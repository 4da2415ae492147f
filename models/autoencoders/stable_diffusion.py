"""The autoencoders of Stable Diffusion, stride 8, four channels: what the ImageNet models' latents are made with.

`sd-vae-ft-ema` and `sd-vae-ft-mse` share an encoder; their decoders were fine-tuned apart. The network is diffusers'.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.autoencoders.autoencoder import Autoencoder
from models.errors import InputError
from models.fetch import cache_directory, fetch, hub_url, recorded_sha256
from models.folders import NAMES as FILES

NAMES = ("sd-vae-ft-ema", "sd-vae-ft-mse")
SCALE = 0.18215  # latents have about unit variance after it (Rombach et al., arXiv 2112.10752)
PIXELS = 8 * 256 * 256  # decoded at once


class StableDiffusion(Autoencoder):
    """Images uint8 [B,3,R,R], latents [B,4,R/8,R/8]; works through large batches a few images at a time."""

    rounding = "adm-truncate"  # clamp(127.5 x + 128, 0, 255), then truncated: what the official DiT sampler stores

    def __init__(self, name: str, network: Any, digest: str, scale: float = SCALE) -> None:
        self.name, self.network, self.scale, self.fingerprint = name, network, scale, f"{name}:{digest[:16]}"
        self.stride = 2 ** (len(network.config.block_out_channels) - 1)

    def decoder_pass(self, latents: Tensor) -> Tensor:
        """Latents [B,4,h,w] in the network's scale -> images [B,3,8h,8w], about -1 to 1."""
        return self.network.decode(latents / self.scale).sample

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        chunks = latents.to(self.network.dtype).split(self.chunk(latents.shape[-2] * self.stride))
        return torch.cat([to_bytes(self.decoder_pass(chunk)) for chunk in chunks])

    @torch.no_grad()
    def encode(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        parts = []
        for chunk in images.split(self.chunk(images.shape[-2])):
            posterior = self.network.encode((chunk.float() / 127.5 - 1).to(self.network.dtype)).latent_dist
            latents = posterior.mean if generator is None else posterior.sample(generator)
            parts.append(latents.float() * self.scale)
        return torch.cat(parts)

    def chunk(self, resolution: int) -> int:
        """Images of this resolution that go through the network together."""
        return max(1, PIXELS // resolution**2)


def to_bytes(pixels: Tensor) -> Tensor:
    """Pixels in [-1, 1] -> uint8 by the rule `adm-truncate`."""
    return (127.5 * pixels.float() + 128.0).clamp(0, 255).to(torch.uint8)


def build(name: str, weights: str | Path | None, device: torch.device, dtype: torch.dtype) -> StableDiffusion:
    """`weights` is a folder in diffusers' layout, an autoencoder's or a pipeline's; None fetches the published ones."""
    folder = fetch_folder(name) if weights is None else autoencoder_folder(Path(weights))
    file = next(folder / file for file in FILES if (folder / file).is_file())
    network = load(folder, file).to(device=device, dtype=dtype)
    return StableDiffusion(name, network.eval().requires_grad_(False), recorded_sha256(file))


def fetch_folder(name: str) -> Path:
    """The published autoencoder in the cache directory; whoever has no network may put the folder there."""
    folder = cache_directory() / name
    for file in ("config.json", FILES[0]):
        fetch(hub_url(f"stabilityai/{name}", file), directory=folder)
    return folder


def autoencoder_folder(path: Path) -> Path:
    for folder in (path, path / "vae"):
        if (folder / "config.json").is_file() and any((folder / file).is_file() for file in FILES):
            return folder
    raise InputError(f"{path}: no autoencoder of diffusers here: config.json and {' or '.join(FILES)}, also in vae/")


def load(folder: Path, file: Path) -> Any:
    """diffusers' AutoencoderKL from a local folder. Raises InputError with one line for whatever is wrong with it."""
    try:
        from diffusers import AutoencoderKL
    except Exception as error:  # a broken installation raises whatever its parts raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"images need diffusers, which does not import ({reason}): pip install 'ditbench[imagenet]'"
        ) from error
    try:
        network = AutoencoderKL.from_pretrained(
            folder, local_files_only=True, use_safetensors=file.suffix == ".safetensors", low_cpu_mem_usage=False
        )
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder}: not an autoencoder of Stable Diffusion ({reason[:160]})") from error
    return network
