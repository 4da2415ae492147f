"""What images and features must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def require_images(what: str, images: Tensor) -> None:
    """Raise InputError unless `images` is a uint8 tensor [N,C,H,W] with N >= 1."""
    import torch

    if images.dtype != torch.uint8 or images.ndim != 4 or 0 in images.shape:
        raise InputError(f"{what} must be uint8 [N, C, H, W] and not empty, got {images.dtype} {list(images.shape)}")


def require_finite(what: str, tensor: Tensor) -> None:
    """Raise InputError naming the samples of `tensor` [N,...] that hold NaN or infinity."""
    import torch

    bad = (~torch.isfinite(tensor.reshape(len(tensor), -1)).all(dim=1)).nonzero().flatten().tolist()
    if bad:
        shown = ", ".join(str(i) for i in bad[:5]) + (", …" if len(bad) > 5 else "")
        raise InputError(f"{what}: NaN or infinity in {len(bad)} of {len(tensor)} samples (index {shown})")
