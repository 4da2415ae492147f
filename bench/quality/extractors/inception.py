"""Inception-2015, the network behind FID, under two preprocessings: `adm` (TensorFlow's resize) and `clean` (Pillow's).

The network is torch-fidelity's conversion of the TensorFlow graph that Heusel et al. (2017) used. Besides the pooled
2048 features it gives what ADM's evaluator takes for sFID: the first 7 channels of the 1x1 branch of `Mixed_6d`
(`mixed_6/conv` in the graph), 17x17x7 = 2023 values in NHWC order, in which published statistics are stored.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bench.host.environment import cores
from bench.quality.extractors.extractor import Extractor, exact_float32
from bench.quality.extractors.fidelity_library import library
from bench.schema.cell import INCEPTION_SHA256
from models.checkpoint import load_tensors, read_tensors, sha256
from models.errors import InputError
from models.fetch import fetch

SIZE = 299
SPATIAL_LAYER, SPATIAL_CHANNELS = "Mixed_6d", 7
MICRO_BATCH = 64  # images at a time in the network: about 1 GB of activations
LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)


class Inception(Extractor):
    """Inception-2015 on images resized to 299x299; a subclass says how they are resized.

    Weights: a file of torch-fidelity's state dict, or None for the original ones, downloaded once. Only those, known
    by their SHA-256, give what is called FID; with others the extractor is called `inception-<hash>-<resizer>`.
    """

    resizer: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]] = ("torch-fidelity",)  # their versions are part of the fingerprint

    def __init__(self, weights: str | Path | None = None, device: str | torch.device = "cpu") -> None:
        path = Path(weights) if weights is not None else official_weights()
        self.network = structure()
        load_tensors(self.network, read_tensors(path), path, device)
        self.network.eval().requires_grad_(False)
        self.device = device
        self.weights_sha256 = sha256(path)
        self.fingerprint = self.fingerprint_of(self.weights_sha256)
        self.name, self.is_fid = self.describe(self.fingerprint)

    @classmethod
    def fingerprint_of(cls, weights_sha256: str = INCEPTION_SHA256) -> str:
        """The fingerprint with weights of this SHA-256: what published statistics have with the original ones."""
        versions = [f"{package}-{version(package)}" for package in cls.packages]
        return ":".join([cls.resizer, f"inception-{weights_sha256[:16]}", *versions])

    @classmethod
    def describe(cls, fingerprint: str) -> tuple[str, bool]:
        """("adm", True) for the original weights, ("inception-<hash>-adm", False) for others."""
        weights = fingerprint.split(":")[1]
        if weights == f"inception-{INCEPTION_SHA256[:16]}":
            return cls.resizer, True
        return f"{weights[: len('inception-') + 8]}-{cls.resizer}", False

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 [B,3,H,W] -> {"pool": [B,2048], "logits": [B,1008] without bias, "spatial": [B,2023]}, float32."""
        self.require_images(images)
        with exact_float32():
            parts = [self.forward(self.resize(part)) for part in images.split(MICRO_BATCH)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def resize(self, images: Tensor) -> Tensor:
        """uint8 [B,3,H,W] -> float32 [B,3,299,299] in 0..255, on the network's device."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Resized pixels [B,3,299,299] in 0..255 -> features."""
        x = (pixels - 128) / 128
        features: dict[str, Tensor] = {}
        for name in LAYERS:
            x = getattr(self.network, name)(x)
            if name == SPATIAL_LAYER:  # [B,768,17,17], its 1x1 branch first
                features["spatial"] = x[:, :SPATIAL_CHANNELS].permute(0, 2, 3, 1).flatten(1)
        pool = x.flatten(1)
        return features | {"pool": pool, "logits": pool @ self.network.fc.weight.T}


class Adm(Inception):
    """As ADM's evaluator: TensorFlow 1's bilinear resize, without half-pixel centres and antialiasing."""

    name = resizer = "adm"

    def resize(self, images: Tensor) -> Tensor:
        bilinear = library("torch_fidelity.interpolate_compat_tensorflow", "interpolate_bilinear_2d_like_tensorflow1x")
        return bilinear(images.to(self.device).float(), size=(SIZE, SIZE), align_corners=False)


class Clean(Inception):
    """As clean-fid (Parmar et al. 2022): Pillow's antialiased bicubic resize of every channel in float32."""

    name = resizer = "clean"
    packages = ("torch-fidelity", "clean-fid")

    def resize(self, images: Tensor) -> Tensor:
        resize: Callable[[np.ndarray], np.ndarray] = library("cleanfid.resize", "build_resizer")("clean")
        with ThreadPoolExecutor(min(8, cores())) as pool:
            resized = list(pool.map(resize, images.permute(0, 2, 3, 1).cpu().numpy()))
        return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).contiguous().to(self.device)


def structure() -> Any:
    """torch-fidelity's network without weights, on the meta device: its constructor would unpickle or download them."""
    empty = io.BytesIO()
    torch.save({}, empty)  # our own bytes: its torch.load never sees a user's file
    empty.seek(0)
    with torch.device("meta"):
        return _without_loading()("inception-v3-compat", ["2048"], feature_extractor_weights_path=empty)


@cache
def _without_loading() -> type[nn.Module]:
    """torch-fidelity's class, whose constructor may load nothing."""
    network: type[nn.Module] = library("torch_fidelity.feature_extractor_inceptionv3", "FeatureExtractorInceptionV3")

    class Unloaded(network):  # type: ignore[misc, valid-type]
        def load_state_dict(self, state_dict, *args, **kwargs):
            return super().load_state_dict(state_dict, *args, **kwargs) if state_dict else None

    return Unloaded


def official_weights() -> Path:
    """torch-fidelity's published file, downloaded once and checked. Raises InputError that says what else would do."""
    url = library("torch_fidelity.feature_extractor_inceptionv3", "URL_INCEPTION_V3")
    try:
        return fetch(url, sha256=INCEPTION_SHA256)
    except InputError as error:
        ways = "give a local copy as the extractor's weights, or use 'efficientnet-lite0', which needs no download"
        raise InputError(f"{error}; {ways}") from error
