"""Latents to train on: in memory, or mapped from the safetensors files of a folder.

A file holds `latents` float16 [N,C,H,W] and `labels` int64 [N], and may hold `mirrored`, the latents of the images
flipped left to right; its metadata says what they were made from (`images`) and how many all
files hold (`total`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bench.host.listing import files_in
from models.checkpoint import FLOATS
from models.errors import InputError
from models.file_kind import no_weights
from models.spec import ModelSpec


@dataclass(frozen=True, eq=False)
class Shard:
    """Latents [N,C,H,W], labels int64 [N], and the mirrored latents where they are stored."""

    latents: Tensor
    labels: Tensor
    mirrored: Tensor | None = None
    source: str = "latents"  # what messages name


class Latents:
    """Draws from shards as if they were one set. `name` says what they are, for cards and checkpoints."""

    def __init__(self, shards: Sequence[Shard], name: str) -> None:
        self.shards, self.name = shards, name
        self.starts = torch.tensor([0, *accumulate(len(shard.labels) for shard in shards)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random latents float32 [count,C,H,W], with replacement, and labels int64 [count].

        Each is mirrored with probability 1/2 where that is stored. Raises InputError for values that are not finite.
        """
        chosen = torch.randint(len(self), (count,), generator=generator)
        flips = torch.zeros(count, dtype=torch.bool)
        if all(shard.mirrored is not None for shard in self.shards):
            flips = torch.rand(count, generator=generator) < 0.5
        latents = torch.empty(count, *self.shards[0].latents.shape[1:])
        labels = torch.empty(count, dtype=torch.int64)
        holders = torch.searchsorted(self.starts, chosen, right=True) - 1
        for number in holders.unique().tolist():
            shard, here = self.shards[number], holders == number
            rows = chosen[here] - self.starts[number]
            latents[here], labels[here] = pick(shard, rows, flips[here]), shard.labels[rows]
        return latents, labels


def pick(shard: Shard, rows: Tensor, flips: Tensor) -> Tensor:
    """A shard's rows [n,C,H,W] float32, those of `flips` mirrored."""
    latents = shard.latents[rows].float()
    if shard.mirrored is not None:
        latents = torch.where(flips.view(-1, 1, 1, 1), shard.mirrored[rows].float(), latents)
    if not latents.isfinite().all():
        raise InputError(f"{shard.source}: holds latents that are not finite")
    return latents


def in_memory(latents: Tensor, labels: Tensor, name: str) -> Latents:
    return Latents([Shard(latents.float(), labels)], name)


def open_latents(path: Path, spec: ModelSpec) -> Latents:
    """A file, or all of a folder, mapped into memory rather than read. Raises InputError where one does not fit."""
    files = files_in(path, ".safetensors") if path.is_dir() else [path]
    opened = [open_file(file, spec) for file in files]
    shards, sources = [shard for shard, _ in opened], [about.get("images", "") for _, about in opened]
    for what, stated in (("images", sources), ("autoencoders", [about.get("autoencoder", "") for _, about in opened])):
        if len(kinds := sorted(set(stated))) > 1:
            raise InputError(f"{path}: its files were made from different {what}: {kinds[0]}; {kinds[1]}")
    count = sum(len(shard.labels) for shard in shards)
    total = opened[0][1].get("total", str(count))
    if total != str(count):
        raise InputError(f"{path}: holds {count} latents of {total}; finish with the same 'ditbench encode' command")
    return Latents(shards, f"{count:,} latents of {sources[0] or path.name}")


def open_file(file: Path, spec: ModelSpec) -> tuple[Shard, dict[str, str]]:
    """A file's shard and metadata. Raises InputError unless shapes and labels are the model's."""
    try:
        with safe_open(file, "pt") as content:
            held = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
            about = content.metadata() or {}
    except (SafetensorError, OSError) as error:
        kind = no_weights(file) if file.is_file() else None
        raise InputError(f"{file}: not a safetensors file of latents ({kind or error})") from error
    for key in ("latents", "labels"):
        if key not in held:
            raise InputError(f"{file}: holds no '{key}'")
    shard = Shard(held["latents"], held["labels"], held.get("mirrored"), str(file))
    check(shard, spec)
    return shard, about


def check(shard: Shard, spec: ModelSpec) -> None:
    """Raise InputError unless the latents have the model's shape and the labels are its classes."""
    count, file = len(shard.labels), shard.source
    for key, value in (("latents", shard.latents), ("mirrored", shard.mirrored)):
        if value is not None and (value.shape != (count, *spec.latent_shape) or value.dtype not in FLOATS):
            wanted = f"floating point {[count, *spec.latent_shape]}"
            raise InputError(f"{file}: '{key}' is {value.dtype} {list(value.shape)}, {spec.name} takes {wanted}")
    if shard.labels.dtype != torch.int64 or shard.labels.ndim != 1 or not count:
        raise InputError(f"{file}: 'labels' is {shard.labels.dtype} {list(shard.labels.shape)}, expected int64 [N]")
    low, high = int(shard.labels.min()), int(shard.labels.max())
    if low < 0 or high >= spec.num_classes:
        label = low if low < 0 else high
        raise InputError(f"{file}: label {label} lies outside 0..{spec.num_classes - 1}, the classes of {spec.name}")
