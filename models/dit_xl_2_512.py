"""dit-xl-2-512: DiT-XL/2 on ImageNet 512x512 latents (arXiv 2212.09748, table 1)."""

from models.dit_imagenet import dit_imagenet, published

spec = dit_imagenet("dit-xl-2-512", width=1152, depth=28, heads=16, resolution=512, official=published(512))
