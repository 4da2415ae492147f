"""A plugin: a DiT and a U-ViT small enough to be trained by two processes within seconds, on 8x8 pixels."""

import os
import time

from models.dit import DiT
from models.spec import ModelSpec
from models.uvit import UViT

PAUSE = float(os.environ.get("TINY_TRAINING_PAUSE", "0"))  # seconds an evaluation, so that it can be interrupted


class SlowUViT(UViT):
    def unembed(self, h, c):
        time.sleep(PAUSE)
        return super().unembed(h, c)


tiny_dit = ModelSpec(
    name="tiny-dit",
    architecture=DiT,
    config={
        "input_size": 8,
        "patch_size": 4,
        "in_channels": 3,
        "hidden_size": 16,
        "depth": 2,
        "num_heads": 2,
        "num_classes": 3,
    },
    num_classes=3,
    resolution=8,
    autoencoder="identity",
)
tiny_uvit = ModelSpec(
    name="tiny-uvit",
    architecture=SlowUViT,
    config={
        "img_size": 8,
        "patch_size": 4,
        "in_chans": 3,
        "embed_dim": 16,
        "depth": 2,
        "num_heads": 2,
        "num_classes": 4,
        "conv": False,
    },
    num_classes=3,
    resolution=8,
    autoencoder="identity",
)
specs = (tiny_dit, tiny_uvit)
