"""uvit-h-2: U-ViT-H/2 on ImageNet 256x256 latents (arXiv 2209.12152, table 1)."""

from models.uvit_imagenet import by_hand, uvit_imagenet

spec = uvit_imagenet(
    "uvit-h-2",
    width=1152,
    depth=28,
    heads=16,
    conv=False,  # the published configuration leaves the closing convolution out
    official=by_hand("imagenet256_uvit_huge.pth", "13StUdrjaaSXjfqqF7M47BzPyhMAArQ4u"),
)
