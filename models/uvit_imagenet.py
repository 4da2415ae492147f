"""What the ImageNet U-ViTs share (Bao et al., arXiv 2209.12152): everything but their size."""

from models.spec import ModelSpec, Official
from models.uvit_structure import UVIT

README = "https://github.com/baofff/U-ViT (Pretrained Models)"


def uvit_imagenet(
    name: str, *, width: int, depth: int, heads: int, conv: bool, official: Official | None = None
) -> ModelSpec:
    """A U-ViT with patches of 2 on the latents [4,32,32] of ImageNet at 256 pixels; label 1000 is the null class."""
    return ModelSpec(
        name=name,
        architecture=UVIT,
        config={
            "img_size": 32,
            "patch_size": 2,
            "in_chans": 4,
            "embed_dim": width,
            "depth": depth,
            "num_heads": heads,
            "num_classes": 1001,
            "conv": conv,
        },
        num_classes=1000,
        guidance_scale=1.4,  # the paper's s = 0.4
        resolution=256,
        autoencoder="sd-vae-ft-ema",
        official=official or never_published(name),
    )


def never_published(name: str) -> Official:
    note = f"none were ever published at this size: pass a file of your own, or train them: ditbench train {name}"
    return Official(note=note, published=False)


def by_hand(file: str, drive: str) -> Official:
    """Published, but only on pages that want a person: Google Drive and ModelScope have no plain address."""
    link = f"https://drive.google.com/file/d/{drive}"
    return Official(note=f"download {file} from {link} (listed at {README}) and pass its path as weights")
