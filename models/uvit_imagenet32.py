"""uvit-imagenet32: a 17-block U-ViT of 8 M parameters on 32x32 pixels of 50 Tiny ImageNet classes."""

from models.imagenet32 import imagenet32
from models.uvit_structure import UVIT

spec = imagenet32(
    "uvit-imagenet32",
    UVIT,
    {
        "img_size": 32,
        "patch_size": 2,
        "in_chans": 3,
        "embed_dim": 192,
        "depth": 16,
        "num_heads": 6,
        "num_classes": 51,
    },
)
