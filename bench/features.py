"""Features of a set of images: extracted once, stored with what made them, read by every quality metric."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from bench.files import write_bytes
from models.errors import InputError

FORMAT = "ditbench-features-1"
TENSORS = ("pool", "logits")


class Extractor(Protocol):
    """A feature network: `fingerprint` names it, its weights and its preprocessing."""

    fingerprint: str

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 images [B,C,H,W] -> {"pool": [B,d], "logits": [B,classes]}."""
        ...


@dataclass(frozen=True)
class FeatureSet:
    """Features of N images, validated: pool [N,d] and logits [N,classes], both float32 on the CPU and finite."""

    pool: Tensor
    logits: Tensor
    fingerprint: str  # of the extractor; sets with different ones are never compared
    images_sha256: str

    def __post_init__(self) -> None:
        for name in TENSORS:
            tensor = getattr(self, name)
            if tensor.dtype != torch.float32 or tensor.ndim != 2 or 0 in tensor.shape:
                raise InputError(
                    f"features '{name}' must be float32 [N, d] and not empty, got {tensor.dtype} {list(tensor.shape)}"
                )
            require_finite(f"features '{name}'", tensor)
        if len(self.pool) != len(self.logits):
            raise InputError(f"features hold {len(self.pool)} rows of 'pool' but {len(self.logits)} of 'logits'")
        for name in ("fingerprint", "images_sha256"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise InputError(f"features need a '{name}', got {getattr(self, name)!r}")

    def __len__(self) -> int:
        return len(self.pool)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, whole or not at all. Raises OutputError when it cannot be written."""
        tensors = {name: getattr(self, name).contiguous() for name in TENSORS}
        metadata = {"format": FORMAT, "fingerprint": self.fingerprint, "images_sha256": self.images_sha256}
        write_bytes(Path(path), serialize(tensors, metadata))

    @classmethod
    def load(cls, path: str | Path) -> FeatureSet:
        """Read what `save` wrote. Raises InputError naming the file when it is missing, broken or of another kind."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise InputError(f"{path}: expected format '{FORMAT}', got '{metadata.get('format')}'")
                tensors = {name: file.get_tensor(name) for name in TENSORS}
            return cls(**tensors, fingerprint=metadata["fingerprint"], images_sha256=metadata["images_sha256"])
        except InputError as error:
            raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error
        except KeyError as error:
            raise InputError(f"{path}: the features file lacks {error}") from error
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a readable features file ({first_line(error)})") from error


def extract_features(extractor: Extractor, images: Tensor, batch: int = 256) -> FeatureSet:
    """Features of uint8 images [N,C,H,W], extracted in batches of `batch`; any float width becomes float32.

    Raises InputError when the images are no such tensor, none are given, or features come out wrong.
    """
    require_images("images", images)
    parts = [extractor.extract(part) for part in images.split(batch)]
    missing = [name for name in TENSORS if name not in parts[0]]
    if missing:
        raise InputError(f"extractor '{extractor.fingerprint}' returned no '{missing[0]}' features")
    pool, logits = (torch.cat([part[name] for part in parts]).detach().float().cpu() for name in TENSORS)
    if len(pool) != len(images):
        raise InputError(f"extractor '{extractor.fingerprint}' returned {len(pool)} rows for {len(images)} images")
    return FeatureSet(pool, logits, extractor.fingerprint, images_sha256(images))


def images_sha256(images: Tensor) -> str:
    """SHA-256 of the shape and the bytes of uint8 images [N,C,H,W]."""
    digest = hashlib.sha256(repr(list(images.shape)).encode())
    digest.update(images.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def require_images(what: str, images: Tensor) -> None:
    """Raise InputError unless `images` is a uint8 tensor [N,C,H,W] with N >= 1."""
    if images.dtype != torch.uint8 or images.ndim != 4 or 0 in images.shape:
        raise InputError(f"{what} must be uint8 [N, C, H, W] and not empty, got {images.dtype} {list(images.shape)}")


def require_finite(what: str, tensor: Tensor) -> None:
    """Raise InputError naming the samples of `tensor` [N,...] that hold NaN or infinity."""
    bad = (~torch.isfinite(tensor.reshape(len(tensor), -1)).all(dim=1)).nonzero().flatten().tolist()
    if bad:
        shown = ", ".join(str(i) for i in bad[:5]) + (", …" if len(bad) > 5 else "")
        raise InputError(f"{what}: NaN or infinity in {len(bad)} of {len(tensor)} samples (index {shown})")


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
