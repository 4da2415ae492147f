"""uvit-l-2: U-ViT-L/2 on ImageNet 256x256 latents (arXiv 2209.12152, table 1)."""

from models.uvit_imagenet import by_hand, uvit_imagenet

spec = uvit_imagenet(
    "uvit-l-2",
    width=1024,
    depth=20,
    heads=16,
    conv=True,  # the published configuration has the closing convolution
    official=by_hand("imagenet256_uvit_large.pth", "1w7T1hiwKODgkYyMH9Nc9JNUThbxFZgs3"),
)
