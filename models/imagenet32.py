"""What the small colour models share: 32x32 pixels of 50 classes of Tiny ImageNet, and how they are trained.

About 1,000 passes over 25,000 images; EMA and flips as usual at this size (Dhariwal & Nichol 2021, appendix).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models.places import WEIGHTS
from models.spec import ModelSpec
from models.tiny_imagenet import CLASSES

if TYPE_CHECKING:
    from models.denoiser import Denoiser

REFERENCE = "imagenet32"  # a folder in models/weights, once it is made: the training images' features
RECIPE = {
    "steps": 100_000,
    "batch": 256,
    "dtype": "bfloat16",
    "learning_rate": 4e-4,
    "warmup": 2000,
    "weight_decay": 0.01,
    "ema_decay": 0.9999,
    "discretised": True,
}


def imagenet32(name: str, architecture: Callable[..., Denoiser], config: dict[str, Any]) -> ModelSpec:
    """A spec whose weights are shipped once `ditbench train NAME --data … --out models/weights/NAME` has made them."""
    weights, reference = WEIGHTS / name / "weights.safetensors", WEIGHTS / REFERENCE / "features.safetensors"
    return ModelSpec(
        name=name,
        architecture=architecture,
        config=config,
        num_classes=len(CLASSES),
        guidance_scale=1.5,
        resolution=32,
        classes=CLASSES,
        weights=weights if weights.is_file() else None,
        autoencoder="identity",
        features="efficientnet-lite0",
        reference=REFERENCE if reference.is_file() else None,
        training=RECIPE,
    )
