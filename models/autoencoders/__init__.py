"""Autoencoders by name: what takes latents to pixels. A file here that defines NAMES and `build` adds some."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

from models.autoencoders.autoencoder import Autoencoder
from models.errors import expect_one_of

__all__ = ["Autoencoder", "build", "names", "ready"]


@cache
def _files() -> dict[str, ModuleType]:
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return {name: module for module in modules for name in getattr(module, "NAMES", ())}


def names() -> list[str]:
    return sorted(_files())


def build(
    name: str,
    *,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Autoencoder:
    """The named autoencoder in eval mode. `weights` is a local file or folder, None for the shipped or published ones.

    Raises InputError for an unknown name and where the weights cannot be had.
    """
    expect_one_of("autoencoder", name, names())
    return _files()[name].build(name, weights, torch.device(device), dtype)


def ready(name: str, device: str | torch.device = "cpu") -> Autoencoder:
    """The named autoencoder with its usual weights, built once for each device."""
    return _ready(name, str(torch.device(device)))


@cache
def _ready(name: str, device: str) -> Autoencoder:
    return build(name, device=device)
