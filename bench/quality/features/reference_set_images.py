"""A reference set from images: moments over all of them, features of as many as precision, recall and KID need.

Images, and features beyond those kept, are only held a batch at a time: a whole data set fits.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.quality.extractors import Extractor
from bench.quality.features.extraction import BATCH, with_progress
from bench.quality.features.feature_set import extract_rows
from bench.quality.features.reference_set import LAYERS, ReferenceSet
from bench.quality.images.checks import require_finite
from bench.quality.images.digest import SetDigest
from bench.quality.images.source import ImageSource
from bench.quality.metrics.frechet import Moments
from models.errors import InputError

KEPT = 50_000  # features: 410 MB of 2048 float32
ROWS = 1024  # gathered before they are added: products of few rows are slow


class RunningMoments:
    """Mean and covariance of features [B,d] that arrive in batches, in float64.

    Sums are taken about the first rows' mean, so that a mean that is large against the spread costs no digits.
    """

    def __init__(self) -> None:
        self.count, self.waiting = 0, list[Tensor]()
        self.shift = self.total = self.products = torch.empty(0, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Add features [n,d]."""
        self.waiting.append(features)
        if sum(map(len, self.waiting)) >= ROWS:
            self._flush()

    def finish(self) -> Moments:
        """Raises InputError below two rows."""
        self._flush()
        if self.count < 2:
            raise InputError(f"a reference needs at least 2 images, got {self.count}")
        mean = self.total / self.count
        covariance = (self.products - self.count * torch.outer(mean, mean)) / (self.count - 1)
        return Moments((mean + self.shift).numpy(), covariance.numpy())

    def _flush(self) -> None:
        if not self.waiting:
            return
        x = torch.cat(self.waiting).double()
        self.waiting.clear()
        if not self.count:
            self.shift = x.mean(dim=0)
            self.total = torch.zeros_like(self.shift)
            self.products = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64)
        x -= self.shift
        self.count += len(x)
        self.total += x.sum(dim=0)
        self.products.addmm_(x.T, x)


def reference_set_of(
    source: ImageSource, extractor: Extractor, name: str, batch: int = BATCH, kept: int = KEPT
) -> ReferenceSet:
    """The reference set of a source's images; features of all, or of `kept` evenly spaced ones, are part of it.

    Raises InputError as reading images does, for features that are not finite, and below two images.
    """
    digest, features = SetDigest(source.count), list[Tensor]()
    running: dict[str, RunningMoments] = {}
    for images in with_progress(source, batch, f"{extractor.name} features"):
        rows = extract_rows(extractor, images)
        for layer, features_of_batch in rows.items():
            require_finite(f"features '{layer}' of the {len(images)} images from {digest.seen} on", features_of_batch)
        chosen = torch.from_numpy(evenly_spaced(np.arange(digest.seen, digest.seen + len(images)), source.count, kept))
        features.append(rows["pool"][chosen])
        for layer in rows.keys() & set(LAYERS):
            running.setdefault(layer, RunningMoments()).add(rows[layer])
        digest.update(images)
    by_layer = {layer: moments.finish() for layer, moments in running.items()}
    sha256, rows_kept = digest.hexdigest(), torch.cat(features)
    return ReferenceSet(
        name, extractor.fingerprint, sha256, source.count, by_layer["pool"], by_layer.get("spatial"), rows_kept
    )


def evenly_spaced(indices: np.ndarray, count: int, kept: int) -> np.ndarray:
    """Which of these indices are among `kept` evenly spaced ones of `count`; all of them where `kept` >= `count`."""
    kept = min(kept, count)
    return (indices + 1) * kept // count > indices * kept // count
