"""SHA-256 of a set of images that is the same however the set was split: of each image, then of these digests."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def image_digests(images: Tensor) -> Tensor:
    """SHA-256 of the shape and the bytes of each of the uint8 images [B,C,H,W], uint8 [B,32]."""
    head = repr(list(images.shape[1:])).encode()
    array = images.cpu().contiguous().numpy()
    digests = b"".join(hashlib.sha256(head + image.tobytes()).digest() for image in array)
    return torch.frombuffer(bytearray(digests), dtype=torch.uint8).view(len(images), 32)


def set_sha256(digests: Tensor) -> str:
    """SHA-256 of a whole set of images, in order, from their digests [N,32]."""
    return hashlib.sha256(digests.contiguous().numpy().tobytes()).hexdigest()
