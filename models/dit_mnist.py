"""dit-mnist: a 12-block DiT on the latents of MNIST digits, trained in under an hour on one CPU core."""

from models.dit_structure import DIT
from models.places import WEIGHTS
from models.spec import ModelSpec

spec = ModelSpec(
    name="dit-mnist",
    architecture=DIT,
    config={
        "input_size": 4,
        "patch_size": 1,
        "in_channels": 8,
        "hidden_size": 96,
        "depth": 12,
        "num_heads": 4,
        "num_classes": 10,
    },
    num_classes=10,
    guidance_scale=1.5,
    resolution=32,
    weights=WEIGHTS / "dit-mnist" / "weights.safetensors",
    autoencoder="digit-autoencoder",
    features="digit-classifier",
    reference="mnist-5000",
    training={"steps": 7000, "batch": 128, "learning_rate": 1e-3, "warmup": 300},
)
