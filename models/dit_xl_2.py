"""dit-xl-2: DiT-XL/2 on ImageNet 256x256 latents (arXiv 2212.09748, table 1)."""

from models.dit_imagenet import dit_imagenet, published

spec = dit_imagenet("dit-xl-2", width=1152, depth=28, heads=16, official=published(256))
