"""All images of a cell, kept for somebody else's tool: PNG files, or one .npz as the ADM evaluator reads it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from bench.host.files import write_bytes, write_through
from bench.measure.samples.shards import Shards
from bench.quality.images.array import MEMBER


class KeptImages(Protocol):
    """Takes the images of a cell shard by shard, in any order."""

    def has(self, indices: range) -> bool:
        """Whether the images of a shard's range are there."""
        ...

    def write(self, indices: range, images: Tensor) -> None:
        """Keep uint8 images [len(indices),C,H,W]. Raises OutputError."""
        ...

    def finish(self, ranges: Sequence[range]) -> None:
        """All shards are there: put them together. Raises OutputError."""
        ...


class PngFolder:
    """000000.png, 000001.png, …: the sample's number is the file's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, index: int) -> Path:
        """Of one sample."""
        return self.folder / f"{index:06d}.png"

    def has(self, indices: range) -> bool:
        """Whether all of these samples are there."""
        return all(self.path(index).is_file() for index in indices)

    def write(self, indices: range, images: Tensor) -> None:
        """Keep images uint8 [n,C,H,W] of these samples, each whole or not at all."""
        for index, pixels in zip(indices, images.permute(0, 2, 3, 1).numpy(), strict=True):
            file = io.BytesIO()
            Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "PNG")
            write_bytes(self.path(index), file.getvalue())

    def finish(self, ranges: Sequence[range]) -> None:
        pass


class NpzFile:
    """`arr_0` uint8 [N,H,W,C] in FOLDER.npz; until all images are there, their shards in FOLDER.parts."""

    def __init__(self, folder: Path, key: str) -> None:
        self.path, self.key = folder.with_name(folder.name + ".npz"), key
        self.parts = Shards(folder.with_name(folder.name + ".parts"), key)

    def has(self, indices: range) -> bool:
        """Whether all of these samples are there, in the file or in a shard."""
        return self._is_whole() or self.parts.read(indices) is not None

    def write(self, indices: range, images: Tensor) -> None:
        """Keep images uint8 [n,C,H,W] of these samples as a shard."""
        self.parts.write(indices, {"images": images})

    def finish(self, ranges: Sequence[range]) -> None:
        """Make the one file from all shards, then remove them."""
        if not self._is_whole():
            write_through(self.path, lambda file: self._assemble(file, ranges))
        self.parts.discard()

    def _is_whole(self) -> bool:
        """Whether the file is there and of this key, which its comment says."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.comment == self.key.encode()
        except (OSError, zipfile.BadZipFile):
            return False

    def _assemble(self, file: IO[bytes], ranges: Sequence[range]) -> None:
        """One array from all parts, of which one is in memory at a time."""
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = self.key.encode()
            with archive.open(MEMBER, "w", force_zip64=True) as member:
                for indices in ranges:
                    part = self.parts.read(indices)
                    assert part is not None, "every part is there before they are put together"
                    images = part["images"].permute(0, 2, 3, 1).contiguous().numpy()
                    if indices.start == 0:
                        header = {"descr": "|u1", "fortran_order": False, "shape": (ranges[-1].stop, *images.shape[1:])}
                        np.lib.format.write_array_header_1_0(member, header)
                    member.write(images.data)


def kept_images(kind: str | None, folder: Path, key: str) -> KeptImages | None:
    """What keeps a cell's images in or beside `folder`; None where they are not kept."""
    if kind is None:
        return None
    return PngFolder(folder) if kind == "png" else NpzFile(folder, key)
