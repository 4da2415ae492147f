"""dit-b-2-512: DiT-B/2 on ImageNet 512x512 latents (arXiv 2212.09748, table 1)."""

from models.dit_imagenet import dit_imagenet

spec = dit_imagenet("dit-b-2-512", width=768, depth=12, heads=12, resolution=512)
