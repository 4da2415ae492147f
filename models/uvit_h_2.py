"""uvit-h-2: U-ViT-H/2 on ImageNet 256x256 latents (arXiv 2209.12152, table 1)."""

from models.spec import ModelSpec
from models.uvit import UViT

spec = ModelSpec(
    name="uvit-h-2",
    architecture=UViT,
    config={
        "img_size": 32,
        "patch_size": 2,
        "in_chans": 4,
        "embed_dim": 1152,
        "depth": 28,
        "num_heads": 16,
        "num_classes": 1001,
        "conv": False,
    },
    num_classes=1000,
    guidance_scale=1.4,  # the paper's s = 0.4
)
