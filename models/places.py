"""Where the shipped weights lie."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"  # one folder a network: safetensors, its card, features of real images
