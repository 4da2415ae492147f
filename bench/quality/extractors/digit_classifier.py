"""The shipped classifier of digits [B,1,32,32]: features of the small models' images, without a download."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from bench.quality.extractors.extractor import Extractor, exact_float32
from models import digit_classifier
from models.checkpoint import load_into, sha256
from models.places import WEIGHTS


class DigitClassifier(Extractor):
    """The 128 values of the last hidden layer, and logits of ten digits."""

    name = "digit-classifier"
    channels = 1
    recognises_labels = True

    def __init__(self, weights: str | Path | None = None, device: str | torch.device = "cpu") -> None:
        path = weights or WEIGHTS / self.name / "weights.safetensors"
        self.network = digit_classifier.DigitClassifier()
        load_into(self.network, path)
        self.network.eval().requires_grad_(False).to(device)
        self.device = device
        self.weights_sha256 = sha256(path)
        self.fingerprint = f"{self.name}:{self.weights_sha256[:16]}"

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 [B,1,32,32] -> {"pool": [B,128], "logits": [B,10]}. Raises InputError for another shape."""
        self.require_images(images, size=32)
        with exact_float32():
            return self.network.extract(images.to(self.device))
