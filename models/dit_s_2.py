"""dit-s-2: DiT-S/2 on ImageNet 256x256 latents (arXiv 2212.09748, table 1)."""

from models.dit_imagenet import dit_imagenet

spec = dit_imagenet("dit-s-2", width=384, depth=12, heads=6)
