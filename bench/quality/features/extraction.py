"""Features of images from outside, with progress, and kept: under what they are of, never under a name.

The key is the extractor's fingerprint and the SHA-256 of all pixels, so that other images under the same path, or
other weights, are extracted anew. What is kept says what it is of, and is checked when it is read.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from bench.host.files import OutputError
from bench.host.progress import counted
from bench.quality.extractors import Extractor
from bench.quality.features.feature_set import FeatureCollector, FeatureSet
from bench.quality.images.digest import SetDigest
from bench.quality.images.source import ImageSource
from models.errors import InputError
from models.fetch import cache_directory

BATCH = 64


def features_of(source: ImageSource, extractor: Extractor, batch: int = BATCH, keep: bool = True) -> FeatureSet:
    """Features of a source's images: kept ones, or extracted and kept. Raises InputError as reading images does."""
    if not keep:
        return extract(source, extractor, batch)
    digest = SetDigest(source.count)
    for images in with_progress(source, batch, "reading"):
        digest.update(images)
    kept = load_kept(extractor.fingerprint, digest.hexdigest())
    if kept is not None:
        return kept
    features = extract(source, extractor, batch)
    try:
        features.save(kept_file(features.fingerprint, features.images_sha256))
    except OutputError as error:
        print(f"ditbench: features are not kept: {error}", file=sys.stderr)
    return features


def extract(source: ImageSource, extractor: Extractor, batch: int = BATCH) -> FeatureSet:
    collector = FeatureCollector(extractor, source.count)
    for images in with_progress(source, batch, f"{extractor.name} features"):
        collector.add(images)
    return collector.finish()


def load_kept(fingerprint: str, images_sha256: str) -> FeatureSet | None:
    """Kept features of exactly these images; None where there are none, or the file is damaged or of others."""
    try:
        features = FeatureSet.load(kept_file(fingerprint, images_sha256))
    except InputError:
        return None
    return features if (features.fingerprint, features.images_sha256) == (fingerprint, images_sha256) else None


def kept_file(fingerprint: str, images_sha256: str) -> Path:
    key = hashlib.sha256(f"{fingerprint}\n{images_sha256}".encode()).hexdigest()
    return cache_directory() / "features" / f"{key[:32]}.safetensors"


def with_progress(source: ImageSource, batch: int, what: str) -> Iterator[Tensor]:
    """The source's batches, with their progress on stderr."""
    return counted(source.batches(batch), source.count, f"{source.name}: {what}", len)
