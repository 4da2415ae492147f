"""Tiny named denoisers for tests of files of weights, and states of theirs that differ."""

from __future__ import annotations

import types
from typing import Any

import torch
from torch import Tensor

import models
from models.dit import DiT
from models.spec import ModelSpec, build_random
from models.uvit import UViT

DIT = {"input_size": 4, "patch_size": 2, "in_channels": 4, "hidden_size": 32, "depth": 2, "num_heads": 2}
UVIT = {"img_size": 4, "patch_size": 2, "in_chans": 4, "embed_dim": 32, "depth": 2, "num_heads": 2, "conv": False}
DIT_SPEC = ModelSpec(name="tiny-dit", architecture=DiT, config=DIT | {"num_classes": 10}, num_classes=10)
UVIT_SPEC = ModelSpec(name="tiny-uvit", architecture=UViT, config=UVIT | {"num_classes": 11}, num_classes=10)
LAST = {"tiny-dit": "final_layer.linear.weight", "tiny-uvit": "decoder_pred.weight"}


def register(monkeypatch: Any, *specs: ModelSpec) -> None:
    """Make these, or the two tiny ones, known until the test ends."""
    monkeypatch.setattr(models, "_plugins", {})
    monkeypatch.setattr(models, "_plugin_files", {})
    plugin = types.ModuleType("small_models_plugin")
    plugin.specs = specs or (DIT_SPEC, UVIT_SPEC)
    models.register(plugin)


def state(seed: int, spec: ModelSpec = DIT_SPEC) -> dict[str, Tensor]:
    """A state dict with other numbers for every seed; a DiT's table of positions is as it is."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for key, value in build_random(spec, seed).state_dict().items():
        fixed = key == "pos_embed" and spec.architecture is DiT
        made[key] = value if fixed else value + 0.05 * torch.randn(value.shape, generator=generator)
    return made
