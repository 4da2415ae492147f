"""The published training recipes, by architecture: what a model trains by that states no recipe of its own."""

from __future__ import annotations

from typing import Any

from bench.train.recipe import INFINITE, Recipe
from models.dit import DiT
from models.spec import ModelSpec
from models.uvit import UViT

# Peebles & Xie, arXiv 2212.09748, section 4: constant rate, no warmup, no decay; DiT-XL/2 trained for 7M steps.
DIT = {
    "steps": 400_000,
    "batch": 256,
    "learning_rate": 1e-4,
    "decay": "constant",
    "warmup": 1,
    "ema_decay": 0.9999,
    "clip_norm": INFINITE,
    "discretised": True,
}
# Bao et al., arXiv 2209.12152, appendix, and the configuration of U-ViT-H/2 in its repository.
UVIT = {
    "steps": 500_000,
    "batch": 1024,
    "learning_rate": 2e-4,
    "decay": "constant",
    "warmup": 5000,
    "betas": (0.99, 0.99),
    "weight_decay": 0.03,
    "ema_decay": 0.9999,
    "clip_norm": INFINITE,
}
BY_ARCHITECTURE: dict[type, dict[str, Any]] = {DiT: DIT, UViT: UVIT}


def recipe_of(spec: ModelSpec, overrides: dict[str, Any]) -> Recipe:
    """The model's own recipe, or its architecture's, with fields replaced by `overrides`."""
    family = spec.network.__mro__ if isinstance(spec.network, type) else ()
    published = next((BY_ARCHITECTURE[base] for base in family if base in BY_ARCHITECTURE), DIT)
    return Recipe(**(spec.training or published) | overrides)
