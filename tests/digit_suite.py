"""A tiny denoiser on the digits' latents, with images, features and a reference, as files for the command line."""

from __future__ import annotations

from pathlib import Path

PLUGIN = """
import os
from pathlib import Path
import torch
from safetensors.torch import save
from models.dit import DiT
from models.spec import ModelSpec, build_random

CONFIG = dict(input_size=4, patch_size=2, in_channels=8, hidden_size=16, depth=2, num_heads=2, num_classes=10)
WEIGHTS = Path(__file__).with_name("tiny-digits.safetensors")
spec = ModelSpec(
    name="tiny-digits", architecture=DiT, config=CONFIG, num_classes=10, weights=WEIGHTS,
    autoencoder="digit-autoencoder", features="digit-classifier", reference="mnist-5000",
)
if not WEIGHTS.exists():
    generator = torch.Generator().manual_seed(1)
    shapes = {k: v.shape for k, v in build_random(spec).state_dict().items()}
    partial = WEIGHTS.with_suffix(f".{os.getpid()}")
    partial.write_bytes(save({k: torch.randn(s, generator=generator) * 0.1 for k, s in shapes.items()}))
    os.replace(partial, WEIGHTS)
"""

SUITE = """
name = "digits"
reference = {{ name = "ddim", steps = 3 }}
[protocol]
samples = {samples}
sampling_batch = {batch}
[protocol.timing]
batch = 1
rounds = 2
seconds = 0.0
[protocol.quality]
{quality}
[[cells]]
models = "tiny-digits"
sampler = {{ name = "ddim", steps = 3 }}
{cells}
"""
CACHED = """
[[cells]]
models = "tiny-digits"
sampler = { name = "ddim", steps = 3 }
cache = { name = "fora", interval = 2 }
"""


def write_files(folder: Path, samples: int = 64, batch: int = 32, quality: str = "", cells: str = "") -> list[str]:
    """The suite and its plugin; returns the arguments that name both."""
    (folder / "digits_plugin.py").write_text(PLUGIN)
    text = SUITE.format(samples=samples, batch=batch, quality=quality, cells=cells)
    (folder / "digits.toml").write_text(text)
    return [str(folder / "digits.toml"), "--plugin", str(folder / "digits_plugin.py")]
