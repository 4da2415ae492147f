"""What the small models ship with: weights, reference features."""

from __future__ import annotations

from pathlib import Path

from models.errors import InputError
from models.places import WEIGHTS
from models.spec import ModelSpec


def weights_file(name: str) -> Path:
    return WEIGHTS / name / "weights.safetensors"


def reference_file(spec: ModelSpec) -> Path:
    """The stored features of the real images that a model's samples are compared with."""
    if spec.reference is None:
        raise InputError(f"{spec.name}: no reference features are shipped for this model's images")
    return WEIGHTS / spec.reference / "features.safetensors"
