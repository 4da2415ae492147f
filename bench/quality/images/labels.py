"""Class labels of samples from a file: text with one integer a line, .npy, or the second array of ADM's sample npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.errors import InputError, first_line

ARRAYS = ("labels", "arr_1", "arr_0")  # of an npz, the first that is there


def read_labels(source: str | Path) -> np.ndarray:
    """Labels int64 [N]. Raises InputError with one line that names the file."""
    path = Path(source)
    try:
        labels = read_array(path) if path.suffix in (".npy", ".npz") else np.array(path.read_text().split(), dtype=int)
    except InputError:
        raise
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise InputError(f"{path}: not a readable file of labels ({first_line(error)})") from error
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise InputError(f"{path}: labels must be integers [N], got {labels.dtype} {list(labels.shape)}")
    return labels.astype(np.int64)


def read_array(path: Path) -> np.ndarray:
    content = np.load(path, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return content
    with content:
        for name in ARRAYS:
            if name in content.files:
                return content[name]
        raise InputError(f"{path}: expected labels as one of {', '.join(ARRAYS)}, got {', '.join(content.files)}")
