"""Features of a set of images: extracted once, stored with what made them, read by every quality metric."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize
from torch import Tensor

from bench.host.files import write_bytes
from bench.quality.images.checks import require_finite, require_images
from bench.quality.images.digest import SetDigest
from models.errors import InputError, first_line

FORMAT = "ditbench-features-1"
TENSORS = ("pool", "logits", "spatial")  # only `pool` must be there


class Extractor(Protocol):
    """What `extract_features` needs of a feature network; `bench.quality.extractors.Extractor` is the base class."""

    fingerprint: str

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 images [B,C,H,W] -> {"pool": [B,d]} and, where it has them, "logits" [B,k] and "spatial" [B,s]."""
        ...


@dataclass(frozen=True)
class FeatureSet:
    """Features of N images, validated: pool [N,d], logits [N,k] and spatial [N,s], float32 on the CPU and finite.

    `logits` (classes, for the Inception score and accuracy) and `spatial` (for sFID) are None where the extractor
    has none. Sets with different fingerprints (of the extractor) are never compared.
    """

    pool: Tensor
    logits: Tensor | None = None
    spatial: Tensor | None = None
    fingerprint: str = ""
    images_sha256: str = ""

    def __post_init__(self) -> None:
        for name, tensor in {"pool": self.pool, **self.tensors()}.items():
            require_rows(f"features '{name}'", tensor)
            if len(self.pool) != len(tensor):
                raise InputError(f"features hold {len(self.pool)} rows of 'pool' but {len(tensor)} of '{name}'")
        for name in ("fingerprint", "images_sha256"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise InputError(f"features need a '{name}', got {getattr(self, name)!r}")

    def __len__(self) -> int:
        return len(self.pool)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are there, by name."""
        return {name: getattr(self, name) for name in TENSORS if getattr(self, name) is not None}

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, whole or not at all. Raises OutputError when it cannot be written."""
        tensors = {name: tensor.contiguous().numpy() for name, tensor in self.tensors().items()}
        metadata = {"format": FORMAT, "fingerprint": self.fingerprint, "images_sha256": self.images_sha256}
        write_bytes(Path(path), serialize(tensors, metadata))

    @classmethod
    def load(cls, path: str | Path) -> FeatureSet:
        """Read what `save` wrote. Raises InputError naming the file when it is missing, broken or of another kind."""
        tensors, metadata = read_safetensors(path, FORMAT, TENSORS)
        try:
            return cls(**tensors, fingerprint=metadata["fingerprint"], images_sha256=metadata["images_sha256"])
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (KeyError, TypeError) as error:
            missing = error.args[0] if isinstance(error, KeyError) else "pool"
            raise InputError(f"{path}: the features file lacks '{missing}'") from error


class FeatureCollector:
    """Features of `count` images that arrive in batches: what is held is features, never images.

    The images' SHA-256 is that of bench.quality.images.digest for the whole set, whatever the batches.
    """

    def __init__(self, extractor: Extractor, count: int) -> None:
        self.extractor, self.count = extractor, count
        self.digest = SetDigest(count)
        self.parts: dict[str, list[Tensor]] = {}

    def add(self, images: Tensor) -> None:
        """Extract uint8 images [B,C,H,W]."""
        require_images("images", images)
        self.digest.update(images)
        for name, rows in extract_rows(self.extractor, images).items():
            self.parts.setdefault(name, []).append(rows)

    def finish(self) -> FeatureSet:
        """The features of all images. Raises InputError unless exactly `count` were added."""
        sha256 = self.digest.hexdigest()
        tensors = {name: torch.cat(parts) for name, parts in self.parts.items()}
        return FeatureSet(**tensors, fingerprint=self.extractor.fingerprint, images_sha256=sha256)


def extract_rows(extractor: Extractor, images: Tensor) -> dict[str, Tensor]:
    """Features [B,d] of uint8 images [B,C,H,W] by name, float32 on the CPU whatever the extractor's own precision.

    Raises InputError when the images are no such tensor, or features come out wrong.
    """
    require_images("images", images)
    extracted = extractor.extract(images)
    if "pool" not in extracted:
        raise InputError(f"extractor '{extractor.fingerprint}' returned no 'pool' features")
    rows = {name: extracted[name].detach().float().cpu() for name in TENSORS if name in extracted}
    for name, tensor in rows.items():
        if len(tensor) != len(images):
            got = f"{len(tensor)} rows of '{name}' for {len(images)} images"
            raise InputError(f"extractor '{extractor.fingerprint}' returned {got}")
    return rows


def extract_features(extractor: Extractor, images: Tensor, batch: int = 256) -> FeatureSet:
    """Features of uint8 images [N,C,H,W], extracted in batches of `batch`; any float width becomes float32.

    Raises InputError when the images are no such tensor, none are given, or features come out wrong.
    """
    require_images("images", images)
    collector = FeatureCollector(extractor, len(images))
    for part in images.split(batch):
        collector.add(part)
    return collector.finish()


def read_safetensors(path: str | Path, form: str, names: Iterable[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Those of the named tensors that a file of format `form` holds, and its metadata. Raises InputError naming it."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != form:
                raise InputError(f"{path}: expected format '{form}', got '{metadata.get('format')}'")
            return {name: file.get_tensor(name) for name in names if name in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable {form} file ({first_line(error)})") from error


def require_rows(what: str, tensor: Tensor) -> None:
    """Raise InputError unless `tensor` is finite float32 [N,d] and not empty."""
    if tensor.dtype != torch.float32 or tensor.ndim != 2 or 0 in tensor.shape:
        raise InputError(f"{what} must be float32 [N, d] and not empty, got {tensor.dtype} {list(tensor.shape)}")
    require_finite(what, tensor)
