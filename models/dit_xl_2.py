"""dit-xl-2: DiT-XL/2 on ImageNet 256x256 latents (arXiv 2212.09748, table 1)."""

from models.dit_imagenet import HUB, SERVER, dit_imagenet
from models.official import Download, Official

spec = dit_imagenet(
    "dit-xl-2",
    width=1152,
    depth=28,
    heads=16,
    official=Official(
        {
            "original": Download(f"{SERVER}/DiT-XL-2-256x256.pt", "DiT-XL-2-256x256.pt"),
            "diffusers": Download(
                f"{HUB}/DiT-XL-2-256/resolve/main/transformer/diffusion_pytorch_model.bin",
                "DiT-XL-2-256-diffusers.bin",
            ),
        }
    ),
)
