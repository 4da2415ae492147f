"""What images and features must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def require_images(what: str, images: Tensor) -> None:
    """Raise InputError unless `images` is a uint8 tensor [N,C,H,W] with N >= 1."""
    import torch

    if images.dtype != torch.uint8 or images.ndim != 4 or 0 in images.shape:
        raise InputError(f"{what} must be uint8 [N, C, H, W] and not empty, got {images.dtype} {list(images.shape)}")


def require_finite(what: str, rows: Tensor | NDArray[np.number]) -> None:
    """Raise InputError naming the samples of `rows` [N,...] that hold NaN or infinity."""
    import torch

    finite = torch.isfinite(rows) if isinstance(rows, torch.Tensor) else torch.from_numpy(np.isfinite(rows))
    bad = (~finite.reshape(len(rows), -1).all(dim=1)).nonzero().flatten().tolist()
    if bad:
        shown = ", ".join(str(i) for i in bad[:5]) + (", …" if len(bad) > 5 else "")
        raise InputError(f"{what}: NaN or infinity in {len(bad)} of {len(rows)} samples (index {shown})")
