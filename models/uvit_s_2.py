"""uvit-s-2: U-ViT-S/2 on ImageNet 256x256 latents (arXiv 2209.12152, table 1)."""

from models.uvit_imagenet import uvit_imagenet

spec = uvit_imagenet("uvit-s-2", width=512, depth=12, heads=8, conv=True)
