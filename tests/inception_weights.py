"""Inception weights for tests: torch-fidelity's network with random weights that spread its features."""

from functools import cache
from pathlib import Path

import torch


def write_random_inception(path: Path, seed: int = 0) -> Path:
    """A file of torch-fidelity's state dict. He-initialised, so that the signal reaches the last layer."""
    torch.save(_random_state(seed), path)
    return path


@cache
def _random_state(seed: int) -> dict[str, torch.Tensor]:
    from bench.quality.extractors.inception import structure

    generator = torch.Generator().manual_seed(seed)
    return {name: _random(name, tensor, generator) for name, tensor in structure().state_dict().items()}


def _random(name: str, tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if tensor.ndim < 2:  # batch normalisation that changes nothing, and biases
        ones = name.endswith(("bn.weight", "running_var"))
        return torch.full(tensor.shape, 1 if ones else 0, dtype=tensor.dtype)
    scale = (2 / tensor[0].numel()) ** 0.5 * (60 if name == "fc.weight" else 1)  # logits that tell images apart
    return torch.randn(tensor.shape, generator=generator) * scale
