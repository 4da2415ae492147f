"""The .npy arrays of strangers: their headers, and whole arrays that are no larger than they may be."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError, first_line

# What numpy and zipfile raise for damaged bytes: headers are read as Python literals.
DAMAGE = (OSError, ValueError, TypeError, KeyError, EOFError, OverflowError, MemoryError, RecursionError, SyntaxError,
          NotImplementedError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error)  # fmt: skip
Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Within it what damaged bytes lead to becomes one line that names the file. Raises InputError."""
    try:
        if not path.is_file():
            raise OSError("no such file, or not a regular one")
        yield
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{path}: not {what} ({first_line(error)})") from error


def read_header(file: IO[bytes]) -> Header:
    """Shape, Fortran order and dtype of the .npy that starts here; the file then stands at its first element.

    Raises one of DAMAGE for what is none, and for a shape that no array has.
    """
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if not all(type(side) is int and 0 <= side < 2**63 for side in shape):
        raise ValueError("its shape is not of whole numbers from 0 on")
    return shape, fortran, dtype


def read_whole(file: IO[bytes], size: int, max_bytes: int) -> NDArray[Any]:
    """The array in `size` bytes of a file. Raises one of DAMAGE where it is longer, shorter or of objects."""
    shape, fortran, dtype = read_header(file)
    needed = math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if needed > max_bytes:
        raise ValueError(f"its array takes {needed:,} bytes, expected at most {max_bytes:,}")
    if needed != size - file.tell():
        raise ValueError(f"its array takes {needed:,} bytes, the file holds {size - file.tell():,}")
    content = np.frombuffer(bytearray(file.read(needed)), dtype=dtype)
    return content.reshape(shape[::-1]).T if fortran else content.reshape(shape)


def read_npy(path: Path, max_bytes: int) -> NDArray[Any]:
    """The array in an .npy. Raises as `read_whole`."""
    with path.open("rb") as file:
        return read_whole(file, path.stat().st_size, max_bytes)


def members_of(path: Path) -> list[str]:
    """The names of an .npz's arrays, as numpy has them. Raises one of DAMAGE."""
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_npz(path: Path, names: Iterable[str], max_bytes: int) -> dict[str, NDArray[Any]]:
    """These arrays of an .npz. Raises as `read_whole`; KeyError, one of DAMAGE too, for one that is not there."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in names:
            with archive.open(f"{name}.npy") as member:
                arrays[name] = read_whole(member, archive.getinfo(f"{name}.npy").file_size, max_bytes)
    return arrays
