"""Class labels of samples from a file: text with one integer a line, .npy, or the second array of ADM's sample npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.quality.images.npy import members_of, read_npy, read_npz, readable
from models.errors import InputError
from models.text_file import read_bytes

ARRAYS = ("labels", "arr_1", "arr_0")  # of an npz, the first that is there
MAX_BYTES = 2**28  # of labels: 32 million


def read_labels(source: str | Path) -> np.ndarray:
    """Labels int64 [N]. Raises InputError with one line that names the file."""
    path = Path(source)
    with readable(path, "a readable file of labels"):
        labels = read_array(path) if path.suffix in (".npy", ".npz") else read_text(path)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise InputError(f"{path}: labels must be integers [N], got {labels.dtype} {list(labels.shape)}")
    return labels.astype(np.int64)


def read_text(path: Path) -> np.ndarray:
    return np.array(read_bytes(path, MAX_BYTES).decode().split(), dtype=int)


def read_array(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return read_npy(path, MAX_BYTES)
    members = members_of(path)
    name = next((name for name in ARRAYS if name in members), None)
    if name is None:
        raise InputError(f"{path}: expected labels as one of {', '.join(ARRAYS)}, got {', '.join(members)}")
    return read_npz(path, [name], MAX_BYTES)[name]
