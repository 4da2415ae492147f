"""dit-imagenet32: a 12-block DiT of 8 M parameters on 32x32 pixels of 50 Tiny ImageNet classes."""

from models.dit_structure import DIT
from models.imagenet32 import imagenet32

spec = imagenet32(
    "dit-imagenet32",
    DIT,
    {
        "input_size": 32,
        "patch_size": 2,
        "in_channels": 3,
        "hidden_size": 192,
        "depth": 12,
        "num_heads": 6,
        "num_classes": 50,
    },
)
