"""Shards: the samples of fixed ranges of seeds as one file each, so that work can be split, stopped and gone on with.

A range holds whole sampling batches. What a shard holds therefore does not depend on who made it, or in which order.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bench.host.files import write_bytes

LABEL = "key-sha256"  # one entry: of several, safetensors writes them in an order of its own
TARGET = 512  # samples of a shard, about: what a killed run may have to do again


def ranges(samples: int, batch: int) -> list[range]:
    """The ranges of samples of all shards: as many whole batches of `batch` as make about TARGET."""
    size = max(1, TARGET // batch) * batch
    return pieces(range(samples), size)


def pieces(indices: range, size: int) -> list[range]:
    """`indices` in consecutive ranges of `size`; the last may be shorter."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]


@dataclass(frozen=True)
class Shards:
    """A directory of shards of one kind. `key` says what they were made from; a shard with another key is not there."""

    directory: Path
    key: str

    def path(self, indices: range) -> Path:
        return self.directory / f"{indices.start:08d}.safetensors"

    def read(self, indices: range) -> dict[str, Tensor] | None:
        """The tensors [len(indices),...] of a range; None where the shard is absent, damaged or of another key."""
        try:
            with safe_open(self.path(indices), framework="pt") as file:
                key, sha256, _ = _label(file)
                if key != self.key:
                    return None
                tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        except (OSError, SafetensorError):
            return None
        whole = all(len(tensor) == len(indices) for tensor in tensors.values())
        return tensors if whole and sha256 == digest(tensors) else None

    def commit(self, indices: range) -> str | None:
        """Of the code that sampled this range; None where the shard is absent or does not say."""
        try:
            with safe_open(self.path(indices), framework="pt") as file:
                return _label(file)[2] or None
        except (OSError, SafetensorError):
            return None

    def write(self, indices: range, tensors: dict[str, Tensor], commit: str | None = None) -> None:
        """Write a range's tensors, whole or not at all; `commit`: of the code that sampled. Raises OutputError."""
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        label = {LABEL: " ".join(filter(None, (self.key, digest(contiguous), commit)))}
        write_bytes(self.path(indices), save(contiguous, metadata=label))

    def remove(self, indices: range) -> None:
        """Remove the shard of a range, if there is one, and the folder where it was the last."""
        with contextlib.suppress(OSError):
            self.path(indices).unlink()
            self.directory.rmdir()

    def discard(self) -> None:
        """Remove all shards of this kind, whatever their key."""
        for path in self.directory.glob("*.safetensors"):
            path.unlink(missing_ok=True)


def is_shard(path: Path) -> bool:
    """Whether a file is one that `Shards.write` made."""
    try:
        with safe_open(path, framework="pt") as file:
            return bool(_label(file)[0])
    except (OSError, SafetensorError):
        return False


def _label(file: Any) -> tuple[str, str, str]:
    """Key, SHA-256 and commit of an open shard, each "" where it is not stated."""
    words: list[str] = (file.metadata() or {}).get(LABEL, "").split(" ")
    key, sha256, commit, *_ = [*words, "", "", ""]
    return key, sha256, commit


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names and bytes."""
    sha256 = hashlib.sha256()
    for name in sorted(tensors):
        sha256.update(name.encode())
        sha256.update(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return sha256.hexdigest()


def key_of(*parts: Any) -> str:
    """SHA-256 of what a shard was made from."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
