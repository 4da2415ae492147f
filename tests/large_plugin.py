"""Plugin of the large-scale path: a DiT and a U-ViT on a latent autoencoder, weights on a server, features."""

import os

import torch

from bench.quality.extractors import Extractor
from models.dit import DiT
from models.spec import Download, ModelSpec, Official
from models.uvit import UViT

SERVER = os.environ.get("LARGE_SERVER", "http://127.0.0.1:9")
DIT = {"input_size": 4, "patch_size": 2, "in_channels": 4, "hidden_size": 16, "depth": 3, "num_heads": 2}
UVIT = {"img_size": 4, "patch_size": 2, "in_chans": 4, "embed_dim": 16, "depth": 3, "num_heads": 2, "num_classes": 11}


def model(name: str, architecture: type, config: dict) -> ModelSpec:
    """Ten classes; published weights on the server, the autoencoder of the full-size models."""
    official = Official({"original": Download(f"{SERVER}/{name}.pt", f"{name}.pt")})
    return ModelSpec(name, architecture, config, 10, resolution=32, official=official, autoencoder="sd-vae-ft-ema")


specs = [model("large-dit", DiT, DIT | {"num_classes": 10}), model("large-uvit", UViT, UVIT)]


class Projection(Extractor):
    """Random projections of 4x4 means of colour images."""

    name, fingerprint = "projection", "projection:1"

    def __init__(self, weights: object = None, device: object = "cpu") -> None:
        self.matrix = torch.randn(3 * 4 * 4, 8, generator=torch.Generator().manual_seed(0)) / 100

    def extract(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.require_images(images)
        pool = torch.nn.functional.adaptive_avg_pool2d(images.float(), 4).flatten(1) @ self.matrix
        return {"pool": pool, "logits": pool}
