"""SHA-256 of a set of images that is the same however the set was split: of each image, then of these digests."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from models.errors import InputError


def image_digests(images: Tensor) -> Tensor:
    """SHA-256 of the shape and the bytes of each of the uint8 images [B,C,H,W], uint8 [B,32]."""
    head = repr(list(images.shape[1:])).encode()
    array = images.cpu().contiguous().numpy()
    digests = b"".join(hashlib.sha256(head + image.tobytes()).digest() for image in array)
    return torch.frombuffer(bytearray(digests), dtype=torch.uint8).view(len(images), 32)


class SetDigest:
    """SHA-256 of a set of `count` uint8 images of one shape that arrive in batches [B,C,H,W]."""

    def __init__(self, count: int) -> None:
        self.count, self.seen = count, 0
        self.shape: list[int] = []
        self._hash = hashlib.sha256()

    def update(self, images: Tensor) -> None:
        """Raises InputError for images of another shape."""
        shape = list(images.shape[1:])
        self.shape = self.shape or shape
        if shape != self.shape:
            raise InputError(f"images of shape {shape} after images of shape {self.shape}")
        self.seen += len(images)
        self._hash.update(image_digests(images).numpy().tobytes())

    def hexdigest(self) -> str:
        """What `set_sha256` says of the images' digests. Raises InputError unless exactly `count` were seen."""
        if self.seen != self.count:
            raise InputError(f"expected {self.count} images, got {self.seen}")
        return self._hash.hexdigest()


def set_sha256(digests: Tensor) -> str:
    """SHA-256 of a whole set of images, in order, from their digests [N,32]."""
    return hashlib.sha256(digests.contiguous().numpy().tobytes()).hexdigest()
