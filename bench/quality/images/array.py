"""Images in an .npz as the ADM evaluator reads them (`arr_0`, uint8 NHWC), or in a bare .npy; read a batch at a time.

np.load would hold the whole array, 10 GB for 50,000 images of 256x256. An array in Fortran order is the exception: it
stores pixel by pixel, so no image is there before the last byte. Pickled objects are never loaded.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.images.npy import read_header, readable
from models.errors import InputError

MEMBER = "arr_0.npy"


class ImageArray:
    """uint8 images [N,H,W,C] of a file, C = 1 or 3."""

    def __init__(self, path: Path, channels: int | None = None) -> None:
        self.name, self.path = str(path), path
        with self._opened() as (file, size):
            shape, _, dtype = read_header(file)
            held, wanted = size - file.tell(), math.prod(shape) * dtype.itemsize
        if dtype != np.uint8:
            raise InputError(f"{path}: images must be uint8 in 0..255, got {dtype}; their range is never guessed")
        if len(shape) != 4 or 0 in shape or shape[3] not in (1, 3):
            hint = "; channels come last" if len(shape) == 4 and shape[1] in (1, 3) else ""
            raise InputError(f"{path}: images must have shape [N, H, W, 1 or 3], got {list(shape)}{hint}")
        if held > wanted:
            raise InputError(f"{path}: holds {held - wanted:,} bytes after its array, which would be left out")
        if held < wanted:
            raise InputError(f"{path}: ends after {held:,} of {wanted:,} bytes of images")
        if channels not in (None, shape[3]):
            raise InputError(f"{path}: images have {shape[3]} channels, expected {channels}")
        self.count, height, width, depth = shape
        self.shape = (depth, height, width)

    def batches(self, size: int) -> Iterator[Tensor]:
        """uint8 [B,C,H,W]."""
        with self._opened() as (file, _):
            _, fortran, _ = read_header(file)
            whole = self._transposed(file) if fortran else None
            for start in range(0, self.count, size):
                end = min(start + size, self.count)
                rows = self._next(file, start, end) if whole is None else whole[start:end]
                yield torch.tensor(rows).permute(0, 3, 1, 2).contiguous()

    def _next(self, file: IO[bytes], start: int, end: int) -> NDArray[np.uint8]:
        """Images `start` to `end`, which the file stands at, [B,H,W,C]."""
        depth, height, width = self.shape
        each = height * width * depth
        content = file.read((end - start) * each)
        if len(content) < (end - start) * each:
            raise InputError(f"{self.path}: ends inside image {start + len(content) // each}")
        return np.frombuffer(content, dtype=np.uint8).reshape(-1, height, width, depth)

    def _transposed(self, file: IO[bytes]) -> NDArray[np.uint8]:
        """All images [N,H,W,C] of a file in Fortran order, which holds [C,W,H,N]."""
        depth, height, width = self.shape
        wanted = self.count * height * width * depth
        content = file.read(wanted)
        if len(content) < wanted:
            raise InputError(f"{self.path}: ends after {len(content):,} of {wanted:,} bytes of images")
        return np.frombuffer(content, dtype=np.uint8).reshape(depth, width, height, self.count).T

    @contextmanager
    def _opened(self) -> Iterator[tuple[IO[bytes], int]]:
        """The array's file, which stands at its beginning, and how many bytes it holds.

        What goes wrong while they are read becomes one line that names the file.
        """
        with readable(self.path, "a readable array of images"):
            if self.path.suffix == ".npy":
                with self.path.open("rb") as file:
                    yield file, self.path.stat().st_size
                return
            with zipfile.ZipFile(self.path) as archive:
                if MEMBER not in archive.namelist():
                    members = ", ".join(archive.namelist()[:5])
                    raise InputError(f"{self.path}: holds no images: expected 'arr_0', got {members or 'nothing'}")
                require_one_set(self.path, archive)
                with archive.open(MEMBER) as member:
                    yield member, archive.getinfo(MEMBER).file_size


def require_one_set(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise InputError where an npz holds other images than `arr_0`, or that twice: they would be left out."""
    names = archive.namelist()
    if names.count(MEMBER) > 1:
        raise InputError(f"{path}: holds 'arr_0' {names.count(MEMBER)} times")
    for name in {name for name in names if name.endswith(".npy")} - {MEMBER}:
        with archive.open(name) as member:
            shape, _, dtype = read_header(member)
        if dtype == np.uint8 and len(shape) == 4:
            got = f"'{name.removesuffix('.npy')}' ({list(shape)})"
            raise InputError(f"{path}: holds images in {got} beside 'arr_0'; join them in one array")
