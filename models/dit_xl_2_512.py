"""dit-xl-2-512: DiT-XL/2 on ImageNet 512x512 latents (arXiv 2212.09748, table 1)."""

from models.dit_imagenet import HUB, SERVER, dit_imagenet
from models.official import Download, Official

spec = dit_imagenet(
    "dit-xl-2-512",
    width=1152,
    depth=28,
    heads=16,
    resolution=512,
    official=Official(
        {
            "original": Download(f"{SERVER}/DiT-XL-2-512x512.pt", "DiT-XL-2-512x512.pt"),
            "diffusers": Download(
                f"{HUB}/DiT-XL-2-512/resolve/main/transformer/diffusion_pytorch_model.bin",
                "DiT-XL-2-512-diffusers.bin",
            ),
        }
    ),
)
