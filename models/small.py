"""What the small models ship with: autoencoder, reference features."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from models.checkpoint import load_into
from models.digit_autoencoder import DigitAutoencoder
from models.errors import InputError
from models.spec import WEIGHTS, ModelSpec


def weights_file(name: str) -> Path:
    return WEIGHTS / name / "weights.safetensors"


def autoencoder(spec: ModelSpec) -> DigitAutoencoder:
    """The autoencoder of a model's latents, in eval mode. Raises InputError where none is shipped."""
    if spec.autoencoder is None:
        raise InputError(f"{spec.name}: no autoencoder is shipped with this model, its latents cannot be decoded")
    return _autoencoder(spec.autoencoder)


def reference_file(spec: ModelSpec) -> Path:
    """The stored features of the real images that a model's samples are compared with."""
    if spec.reference is None:
        raise InputError(f"{spec.name}: no reference features are shipped for this model's images")
    return WEIGHTS / spec.reference / "features.safetensors"


@cache
def _autoencoder(name: str) -> DigitAutoencoder:
    module = DigitAutoencoder()
    load_into(module, weights_file(name))
    return module.eval().requires_grad_(False)
