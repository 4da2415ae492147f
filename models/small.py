"""What the small models ship with: autoencoder, feature extractor, reference features."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from models.checkpoint import load_into, sha256
from models.digit_autoencoder import DigitAutoencoder
from models.digit_classifier import DigitClassifier
from models.errors import InputError
from models.spec import WEIGHTS, ModelSpec


def weights_file(name: str) -> Path:
    return WEIGHTS / name / "weights.safetensors"


def autoencoder(spec: ModelSpec) -> DigitAutoencoder:
    """The autoencoder of a model's latents, in eval mode. Raises InputError where none is shipped."""
    if spec.autoencoder is None:
        raise InputError(f"{spec.name}: no autoencoder is shipped with this model, its latents cannot be decoded")
    return _autoencoder(spec.autoencoder)


def extractor(spec: ModelSpec) -> DigitClassifier:
    """The feature extractor for a model's images, in eval mode. Raises InputError where none is shipped."""
    if spec.features is None:
        raise InputError(f"{spec.name}: no feature extractor is shipped for this model's images")
    return _extractor(spec.features)


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


@cache
def _extractor(name: str) -> DigitClassifier:
    module = DigitClassifier()
    load_into(module, weights_file(name))
    module.fingerprint = f"{name}:{sha256(weights_file(name))[:16]}"
    return module.eval().requires_grad_(False)
