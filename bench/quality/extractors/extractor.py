"""What a feature extractor is: a network with its weights and preprocessing, under a fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.quality.images.checks import require_images
from models.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Extractor:
    """Base class of feature extractors. A file of this package, or a plugin, that defines a subclass registers it.

    The constructor takes `weights` (a file, or None for the default ones) and `device`, and sets `fingerprint`:
    everything that two sets of features must share to be compared (name, SHA-256 of the weights, resizer, versions).
    """

    name: str = ""  # shown as the column `features`
    channels: ClassVar[int] = 3  # of the images that it takes
    is_fid: bool = False  # whether the Fréchet distance in these features is the one that papers call FID
    recognises_labels: ClassVar[bool] = False  # whether the logits' classes are a data set's labels: gives accuracy
    fingerprint: str = ""  # begins with "<name>:"
    weights_sha256: str = ""

    def __init__(self, weights: str | Path | None = None, device: str | torch.device = "cpu") -> None:
        raise NotImplementedError

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 [B,C,H,W] -> {"pool": [B,d]} and, where there are any, "logits" [B,k] and "spatial" [B,s]; float32."""
        raise NotImplementedError

    @classmethod
    def describe(cls, fingerprint: str) -> tuple[str, bool]:
        """The name to show for features with this fingerprint of the class's, and whether they are FID's."""
        return cls.name, False

    def require_images(self, images: Tensor, size: int | None = None) -> None:
        """Raise InputError unless `images` is uint8 [B,channels,H,W], not empty, and H = W = `size` where given."""
        require_images(f"images for '{self.name}'", images)
        wanted = (self.channels, *(images.shape[2:] if size is None else (size, size)))
        if tuple(images.shape[1:]) != wanted:
            raise InputError(f"'{self.name}' takes images {list(wanted)} (C, H, W), got {list(images.shape[1:])}")


@contextmanager
def exact_float32() -> Iterator[None]:
    """Full float32 without gradients: no TF32, no autocast, deterministic convolutions, as published features were."""
    import torch

    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with (
            torch.no_grad(),
            torch.autocast("cuda", enabled=False),
            torch.autocast("cpu", enabled=False),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
