"""Training of the digit classifier that extracts features, on 4,000 digits with augmentation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from bench.train import digits
from bench.train.recipe import Recipe
from models.digit_autoencoder import to_pixels
from models.digit_classifier import DigitClassifier

recipe = Recipe(steps=2500, batch=128, learning_rate=2e-3, weight_decay=1e-2, ema_decay=0.998)


def build() -> DigitClassifier:
    return DigitClassifier()


def loss(model: nn.Module, generator: torch.Generator) -> Tensor:
    """Cross-entropy on randomly rotated, scaled and shifted digits."""
    images, labels = digits.load()
    train, _ = digits.split()
    chosen = train[torch.randint(len(train), (recipe.batch,), generator=generator)]
    _, logits = model(augment(to_pixels(images[chosen]), generator))
    return cross_entropy(logits, labels[chosen], label_smoothing=0.05)


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Rotation up to 12 degrees, scale 0.88..1.12, shift up to 2 pixels; background -1."""
    B = len(pixels)
    u = 2 * torch.rand(4, B, generator=generator) - 1
    angle, scale = u[0] * math.radians(12), 1 + 0.12 * u[1]
    cos, sin = angle.cos() * scale, angle.sin() * scale
    theta = torch.stack([cos, -sin, u[2] / 8, sin, cos, u[3] / 8], dim=1).view(B, 2, 3)
    grid = affine_grid(theta, list(pixels.shape), align_corners=False)
    return grid_sample(pixels + 1, grid, align_corners=False) - 1


def card_metrics(model: DigitClassifier) -> dict[str, float]:
    """Accuracy on the 1,000 held-out digits; written to the model card."""
    images, labels = digits.load()
    _, held_out = digits.split()
    predicted = model.extract(images[held_out])["logits"].argmax(1)
    return {
        "training_digits": 4000,
        "held_out_digits": len(held_out),
        "held_out_accuracy": (predicted == labels[held_out]).float().mean().item(),
    }
