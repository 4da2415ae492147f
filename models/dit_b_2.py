"""dit-b-2: DiT-B/2 on ImageNet 256x256 latents (arXiv 2212.09748, table 1)."""

from models.dit_imagenet import dit_imagenet

spec = dit_imagenet("dit-b-2", width=768, depth=12, heads=12)
