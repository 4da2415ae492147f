"""dit-b-2: DiT-B/2 on ImageNet 256x256 latents (arXiv 2212.09748, table 1)."""

from models.dit import DiT
from models.spec import ModelSpec

spec = ModelSpec(
    name="dit-b-2",
    architecture=DiT,
    config={"input_size": 32, "patch_size": 2, "in_channels": 4, "hidden_size": 768, "depth": 12, "num_heads": 12},
    num_classes=1000,
    guidance_scale=1.5,
    guidance_channels=3,
)
