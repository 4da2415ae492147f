"""Images from outside, one batch in memory at a time: a folder of files, or an npz in the ADM evaluator's layout.

What is read is what the file holds: nothing is converted, resized or cropped. What does not fit is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from torch import Tensor

from models.errors import InputError


class ImageSource(Protocol):
    """`count` uint8 images of one shape (C, H, W), C = 1 or 3, always in the same order."""

    name: str
    count: int
    shape: tuple[int, int, int]

    def batches(self, size: int) -> Iterator[Tensor]:
        """uint8 [B,C,H,W], B = `size` but for the last. Raises InputError naming the file that cannot be read."""
        ...


def open_images(path: str | Path, channels: int | None = None) -> ImageSource:
    """The images in a folder (with its subfolders), an npz or an npy file; `channels` is 1, 3 or None for either.

    Raises InputError where there are none, or the first is not of that kind.
    """
    from bench.quality.images.array import ImageArray
    from bench.quality.images.folder import ImageFolder

    path = Path(path)
    if path.is_dir():
        return ImageFolder(path, channels)
    if not path.exists():
        raise InputError(f"{path}: no such folder or file of images")
    if path.suffix not in (".npz", ".npy"):
        raise InputError(f"{path}: expected a folder of images, an .npz or an .npy file")
    return ImageArray(path, channels)
