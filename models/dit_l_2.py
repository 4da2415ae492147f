"""dit-l-2: DiT-L/2 on ImageNet 256x256 latents (arXiv 2212.09748, table 1)."""

from models.dit_imagenet import dit_imagenet

spec = dit_imagenet("dit-l-2", width=1024, depth=24, heads=16)
