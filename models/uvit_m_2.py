"""uvit-m-2: U-ViT-M/2 on ImageNet 256x256 latents (arXiv 2209.12152, table 1)."""

from models.uvit_imagenet import uvit_imagenet

spec = uvit_imagenet("uvit-m-2", width=768, depth=16, heads=12, conv=True)
