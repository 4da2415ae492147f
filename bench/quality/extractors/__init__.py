"""Feature extractors by name. A file of this package, or a plugin, that defines an Extractor registers it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from bench.quality.extractors.extractor import Extractor
from models.errors import InputError, expect_one_of

if TYPE_CHECKING:
    import torch

__all__ = ["Extractor", "build", "describe", "find", "names", "register"]

_plugins: dict[str, type[Extractor]] = {}


def build(name: str, *, weights: str | Path | None = None, device: str | torch.device = "cpu") -> Extractor:
    """A named extractor. Raises InputError for an unknown name and for weights that are absent, damaged or do not fit.

    `weights` is a file; None takes the extractor's own ones, which for Inception are downloaded once.
    """
    return find(name)(weights, device)


def find(name: str) -> type[Extractor]:
    """The class of a named extractor. Raises InputError with the nearest name."""
    known = _shipped() | _plugins
    expect_one_of("features", name, known)
    return known[name]


def describe(fingerprint: str) -> tuple[str, bool]:
    """The name to show for features with this fingerprint, and whether their Fréchet distance is FID."""
    known = (_shipped() | _plugins).get(fingerprint.partition(":")[0])
    return known.describe(fingerprint) if known else (fingerprint.partition(":")[0], False)


def names() -> list[str]:
    return sorted(_shipped() | _plugins)


def register(module: ModuleType) -> list[str]:
    """Register the extractors that a plugin module defines; returns their names. Raises InputError for a taken name."""
    added = _defined_in(module)
    for name in added.keys() & _shipped().keys():
        raise InputError(f"{module.__name__}: the extractor name '{name}' is taken")
    _plugins.update(added)
    return sorted(added)


@cache
def _shipped() -> dict[str, type[Extractor]]:
    known: dict[str, type[Extractor]] = {}
    for info in pkgutil.iter_modules(__path__):
        added = _defined_in(importlib.import_module(f"{__name__}.{info.name}"))
        for name in added.keys() & known.keys():
            raise InputError(
                f"bench/quality/extractors/{info.name}.py: the extractor name '{name}' is another file's too"
            )
        known |= added
    return known


def _defined_in(module: ModuleType) -> dict[str, type[Extractor]]:
    classes = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Extractor)]
    return {c.name: c for c in classes if c.name and c.__module__ == module.__name__}
