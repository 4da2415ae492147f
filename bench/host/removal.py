"""Files that may go: what they are, how large, and when somebody last used them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """Files that go together. `what` names them in the plural, `used` is in seconds since 1970."""

    what: str
    files: tuple[Path, ...]
    size: int  # bytes
    used: float

    def remove(self) -> int:
        """Remove the files that are still there; returns the bytes that were freed."""
        freed = 0
        for path in self.files:
            with contextlib.suppress(OSError):  # another process was faster, or it may not be removed
                size = path.lstat().st_size
                path.unlink()
                freed += size
        return freed


def found(what: str, files: Iterable[Path], used: float | None = None) -> Found:
    """`used`: None, when the newest of the files was last written. Raises FileNotFoundError where one is gone."""
    paths = tuple(files)
    states = [path.lstat() for path in paths]
    newest = max((state.st_mtime for state in states), default=0.0)
    return Found(what, paths, sum(state.st_size for state in states), newest if used is None else used)


def remove_empty(folder: Path) -> None:
    """Every folder below that holds nothing, and the folder itself; links are not followed."""
    for inner, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(inner)
