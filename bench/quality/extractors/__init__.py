"""Feature extractors by name. A file of this package, or a plugin, that defines an Extractor registers it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from bench.quality.extractors.extractor import Extractor
from models.registered import Registered

if TYPE_CHECKING:
    import torch

__all__ = ["Extractor", "build", "describe", "find", "forget", "is_shipped", "names", "register"]

REGISTERED = Registered(__name__, "extractor", lambda: Extractor)


def build(name: str, *, weights: str | Path | None = None, device: str | torch.device = "cpu") -> Extractor:
    """A named extractor. Raises InputError for an unknown name and for weights that are absent, damaged or do not fit.

    `weights` is a file; None takes the extractor's own ones, which for Inception are downloaded once.
    """
    return find(name)(weights, device)


def find(name: str) -> type[Extractor]:
    """The class of a named extractor. Raises InputError with the nearest name."""
    return REGISTERED.find(name, called="features")


def describe(fingerprint: str) -> tuple[str, bool]:
    """The name to show for features with this fingerprint, and whether their Fréchet distance is FID."""
    known = REGISTERED.known.get(fingerprint.partition(":")[0])
    return known.describe(fingerprint) if known else (fingerprint.partition(":")[0], False)


def names() -> list[str]:
    return REGISTERED.names()


def register(module: ModuleType) -> list[str]:
    """Register the extractors that a plugin module defines; returns their names.

    Raises InputError for a name that is taken or cannot be a folder's.
    """
    return REGISTERED.register(module)


def forget(name: str) -> bool:
    """Take a plugin's out; whether there was one of that name."""
    return REGISTERED.forget(name)


def is_shipped(name: str) -> bool:
    """Whether it is ours, and no plugin's."""
    return name in REGISTERED.shipped
