"""The downloads that a cache directory holds: those of models.fetch, told from files that somebody put there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.fetch import PARTIAL, lock_file, read_record


@dataclass(frozen=True)
class Download:
    """`files`: the file first, and what was noted beside it; `used`: when it was last asked for, s since 1970."""

    files: tuple[Path, ...]
    used: float
    is_whole: bool


def downloads(directory: Path) -> Iterator[Download]:
    """Every download below, whole or begun. A file that is not as its record says is somebody else's."""
    for noted in sorted(directory.rglob("*.json")):
        file = noted.with_name(noted.name.removesuffix(".json"))
        record = read_record(noted)
        if "url" not in record or not file.is_file():
            continue
        state, is_whole = file.stat(), file.suffix != PARTIAL
        if is_whole and (record.get("size"), record.get("mtime_ns")) != (state.st_size, state.st_mtime_ns):
            continue
        lock = lock_file(file if is_whole else file.with_suffix(""))
        beside = (noted, lock) if lock.exists() else (noted,)
        yield Download((file, *beside), max(noted.stat().st_mtime, state.st_mtime), is_whole)
