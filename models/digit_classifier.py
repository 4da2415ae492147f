"""The small models' feature extractor: a convolutional classifier of digits [B,1,32,32]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.digit_autoencoder import to_pixels

FEATURES = 128


class DigitClassifier(nn.Module):
    """Ten-way classifier; its last hidden layer (128 values, after the ReLU) gives the features."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *conv(1, 32),
            *conv(32, 32),
            nn.MaxPool2d(2),  # 32 -> 16
            *conv(32, 64),
            *conv(64, 64),
            nn.MaxPool2d(2),  # 16 -> 8
            *conv(64, 96),
            nn.MaxPool2d(2),  # 8 -> 4
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(96 * 16, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, 10)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B,1,32,32] in [-1, 1] -> features [B,128] and logits [B,10]."""
        features = self.trunk(pixels)
        return features, self.head(features)

    @torch.inference_mode()
    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 images [B,1,32,32] -> {"pool": [B,128], "logits": [B,10]}, float32."""
        features, logits = self(to_pixels(images))
        return {"pool": features, "logits": logits}


def conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
