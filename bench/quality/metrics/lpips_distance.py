"""LPIPS of image pairs (Zhang et al. 2018), where the user has the package and a trunk's weights.

The package ships its linear heads alone and would download the trunk, so the trunk comes from a file: torchvision's
ImageNet weights of `alexnet` or `vgg16`, a state dict with `features.*`. Nothing is fetched and nothing is executed.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.extractors.fidelity_library import library
from bench.quality.images.checks import require_images
from models import checkpoint
from models.errors import InputError, expect_one_of

TRUNKS = {"alex": "alexnet", "vgg": "vgg16"}  # name in the package: torchvision's


class Lpips:
    """Distances of uint8 image pairs; `fingerprint` names the trunk and its weights."""

    def __init__(self, weights: str | Path, trunk: str = "alex", device: str | torch.device = "cpu") -> None:
        """Raises InputError for an unknown trunk, a missing package and a file that is no such trunk's."""
        expect_one_of("LPIPS trunk", trunk, TRUNKS)
        build = library("lpips", "LPIPS")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision's, about an argument that the package still passes
            self.network = build(net=trunk, pnet_rand=True, verbose=False)
        load_trunk(self.network.net, weights)
        self.network.eval().requires_grad_(False).to(device)
        self.device = device
        self.fingerprint = f"lpips-0.1-{trunk}:{checkpoint.sha256(weights)[:16]}"

    def __call__(self, images: Tensor, other: Tensor) -> NDArray[np.float64]:
        """Distance of each pair of uint8 images [B,3,H,W], float64 [B], 0 for identical ones. Raises InputError."""
        for what, batch in (("images", images), ("images to compare with", other)):
            require_images(what, batch)
        if images.shape != other.shape or images.shape[1] != 3:
            raise InputError(f"LPIPS needs pairs of colour images, got {list(images.shape)} and {list(other.shape)}")
        with torch.inference_mode():
            distances = self.network(*(batch.to(self.device).float() / 127.5 - 1 for batch in (images, other)))
        return distances.flatten().double().cpu().numpy()


def load_trunk(network: torch.nn.Module, weights: str | Path) -> None:
    """Load torchvision's `features.N.*` into slices that keep N in the names `sliceK.N.*`."""
    stored = checkpoint.read_tensors(weights)
    wanted = {key: f"features.{key.partition('.')[2]}" for key in network.state_dict()}
    tensors = {key: stored[name] for key, name in wanted.items() if name in stored}
    checkpoint.load_tensors(network, tensors, weights)
