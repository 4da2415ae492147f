"""A cell's samples as a stream of batches: noise, latents, images, features. Only one shard is in memory at a time.

What is kept of each sample is written shard by shard: its latents, its features, the SHA-256 of its image, and how far
it is from the samples of the same seed that it is compared with. Images are decoded, looked at and forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from bench.host.files import write_bytes
from bench.measure.samples.exact_solution import ExactSolution
from bench.measure.samples.instruments import Instruments
from bench.measure.samples.kept_images import kept_images
from bench.measure.samples.latents import Latents
from bench.measure.samples.shards import Shards, key_of, pieces, ranges
from bench.quality.features.feature_set import FeatureSet
from bench.quality.images.digest import image_digests, set_sha256
from bench.quality.metrics import paired
from bench.quality.metrics.paired import Array
from bench.suite.cells import Cell

SHOWN = 40  # decoded images that are stored for the report's grids
FEATURES, DIGEST = "features/", "sha256"  # names of a shard's tensors


class Stream:
    """`others` are latents that the cell is compared with, by the suffix of the metrics: "" and "_reference"."""

    def __init__(
        self,
        own: Latents,
        others: dict[str, Latents],
        instruments: Instruments,
        folder: Path,
        images_folder: Path,
    ) -> None:
        self.own, self.others, self.instruments = own, others, instruments
        self.folder = folder
        self.reference: Stream | None = None  # of the suite's reference, where it is another cell
        self.exact: ExactSolution | None = None
        compared = sorted({other.key for other in others.values()})
        key = key_of(own.key, instruments.fingerprint, compared)
        self.shards = Shards(folder / "features", key)
        self.kept = kept_images(self.cell.protocol.quality.images, images_folder, key)

    @property
    def cell(self) -> Cell:
        return self.own.cell

    @property
    def ranges(self) -> list[range]:
        rules = self.cell.protocol
        return ranges(rules.samples, rules.sampling_batch)

    def fill(self, wanted: list[range]) -> None:
        """Make what is missing of these shards. Raises OutputError, and whatever sampling raises."""
        for indices in wanted:
            if self.shards.read(indices) is None or not (self.kept is None or self.kept.has(indices)):
                rows = self._rows(indices)
                self.shards.write(indices, rows, self.own.shards.commit(indices))

    def finish(self) -> None:
        """Every shard is there: put the kept images together."""
        if self.kept is not None:
            self.kept.finish(self.ranges)

    def commits(self) -> list[str]:
        """Of the code that sampled, each once: executors differ in last digits. Empty where a shard does not say."""
        commits = {self.shards.commit(indices) for indices in self.ranges}
        return [] if None in commits else sorted(str(commit) for commit in commits)

    def rows(self) -> Iterator[dict[str, Tensor]]:
        """The tensors of every shard in order, made where they are missing."""
        for indices in self.ranges:
            self.fill([indices])
            tensors = self.shards.read(indices)
            assert tensors is not None, "what was just written can be read"
            yield tensors

    def results(self) -> tuple[FeatureSet | None, dict[str, dict[str, Array]]]:
        """All samples' features, and what paired.compare says of each pair, by suffix."""
        parts: dict[str, list[Tensor]] = {}
        for tensors in self.rows():
            for name, tensor in tensors.items():
                parts.setdefault(name, []).append(tensor)
        whole = {name: torch.cat(parts.pop(name)) for name in list(parts)}
        pairs: dict[str, dict[str, Array]] = {
            suffix: {name: values.numpy() for name, values in chosen(whole, paired_with(other)).items()}
            for suffix, other in self.others.items()
        }
        return self._feature_set(whole), pairs

    def _feature_set(self, whole: dict[str, Tensor]) -> FeatureSet | None:
        extractor = self.instruments.extractor
        if extractor is None:
            return None
        return FeatureSet(
            **chosen(whole, FEATURES), fingerprint=extractor.fingerprint, images_sha256=set_sha256(whole[DIGEST])
        )

    def _rows(self, indices: range) -> dict[str, Tensor]:
        """What is kept of the samples of one shard, besides their latents."""
        latents = self.own.read(indices)
        others = {paired_with(other): other.read(indices) for other in self.others.values()}  # each once
        parts: dict[str, list[Tensor]] = {}
        seen: list[Tensor] = []  # images that are shown or kept
        for batch in pieces(range(len(indices)), self.cell.protocol.sampling_batch):
            part = slice(batch.start, batch.stop)
            with torch.inference_mode():
                images = self.instruments.images(latents[part])
                tensors_of_batch = self._look_at(images)
                for prefix, other in others.items():
                    tensors_of_batch |= self._compare(prefix, latents[part], images, other[part])
            for name, tensor in tensors_of_batch.items():
                parts.setdefault(name, []).append(tensor)
            if images is not None and (self.kept or indices.start == 0):
                seen.append(images)
        if seen:
            self._keep(indices, torch.cat(seen))
        return {name: torch.cat(tensors) for name, tensors in parts.items()}

    def _look_at(self, images: Tensor | None) -> dict[str, Tensor]:
        """Features [B,d] of images [B,C,H,W], and the SHA-256 [B,32] of each."""
        if images is None:
            return {}
        features = {FEATURES + name: tensor for name, tensor in self.instruments.features(images).items()}
        return features | {DIGEST: image_digests(images)}

    def _compare(self, prefix: str, latents: Tensor, images: Tensor | None, other: Tensor) -> dict[str, Tensor]:
        """What paired.compare says of each pair of latents, float64 [B]."""
        values = paired.compare(latents, images, other, self.instruments.images(other))
        return {prefix + name: torch.from_numpy(value) for name, value in values.items()}

    def _keep(self, indices: range, images: Tensor) -> None:
        """The first images are stored for the report's grids; all where the suite wants it."""
        if indices.start == 0:
            path = self.folder.with_name(self.folder.name + ".safetensors")
            write_bytes(path, save({"images": images[:SHOWN].contiguous()}, {"key": self.own.key}))
        if self.kept is not None:
            self.kept.write(indices, images)


def paired_with(other: Latents) -> str:
    """Names what a shard holds of the pairs with one other cell's samples."""
    return f"paired/{other.key[:16]}/"


def chosen(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
