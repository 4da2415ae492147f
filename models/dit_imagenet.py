"""What the ImageNet DiTs share (Peebles & Xie, arXiv 2212.09748): everything but their size."""

from models.dit_structure import DIT
from models.fetch import hub_url
from models.spec import Download, ModelSpec, Official

SERVER = "https://dl.fbaipublicfiles.com/DiT/models"


def dit_imagenet(
    name: str, *, width: int, depth: int, heads: int, resolution: int = 256, official: Official | None = None
) -> ModelSpec:
    """A DiT with patches of 2 on the latents [4,R/8,R/8] of ImageNet at `resolution` R.

    Guidance 1.5 on three of the four noise channels is what the official code samples with; its samples are decoded
    with the autoencoder `ft-ema`.
    """
    return ModelSpec(
        name=name,
        architecture=DIT,
        config={
            "input_size": resolution // 8,
            "patch_size": 2,
            "in_channels": 4,
            "hidden_size": width,
            "depth": depth,
            "num_heads": heads,
        },
        num_classes=1000,
        guidance_scale=1.5,
        guidance_channels=3,
        resolution=resolution,
        autoencoder="sd-vae-ft-ema",
        official=official or never_published(name),
    )


def published(resolution: int) -> Official:
    """DiT-XL/2's weights in the original layout and in diffusers'."""
    original = f"DiT-XL-2-{resolution}x{resolution}.pt"
    converted = hub_url(f"facebook/DiT-XL-2-{resolution}", "transformer/diffusion_pytorch_model.bin")
    return Official(
        {
            "original": Download(f"{SERVER}/{original}", original),
            "diffusers": Download(converted, f"DiT-XL-2-{resolution}-diffusers.bin"),
        }
    )


def never_published(name: str) -> Official:
    note = f"none were ever published: pass a file of your own, or train them: ditbench train {name}"
    return Official(note=note, published=False)
