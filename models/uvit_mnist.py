"""uvit-mnist: a 13-block U-ViT on the latents of MNIST digits, trained in under an hour on one CPU core."""

from models.places import WEIGHTS
from models.spec import ModelSpec
from models.uvit_structure import UVIT

spec = ModelSpec(
    name="uvit-mnist",
    architecture=UVIT,
    config={
        "img_size": 4,
        "patch_size": 1,
        "in_chans": 8,
        "embed_dim": 96,
        "depth": 12,
        "num_heads": 4,
        "num_classes": 11,
        "conv": False,
    },
    num_classes=10,
    guidance_scale=1.5,
    resolution=32,
    weights=WEIGHTS / "uvit-mnist" / "weights.safetensors",
    autoencoder="digit-autoencoder",
    features="digit-classifier",
    reference="mnist-5000",
    training={"steps": 7000, "batch": 128, "learning_rate": 1e-3, "warmup": 300},
)
