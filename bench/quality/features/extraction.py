"""Features of images from outside, with progress, and kept: under what they are of, never under a name.

The key is the extractor's fingerprint and the SHA-256 of all pixels, so that other images under the same path, or
other weights, are extracted anew. What is kept says what it is of, and is checked when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from bench.host.files import OutputError
from bench.host.notice import say
from bench.host.progress import counted
from bench.quality.extractors import Extractor
from bench.quality.features.feature_set import FeatureCollector, FeatureSet
from bench.quality.features.kept import kept_file, limit, note_use, trim
from bench.quality.images.digest import SetDigest
from bench.quality.images.source import ImageSource
from models.errors import InputError

BATCH = 64


def features_of(source: ImageSource, extractor: Extractor, batch: int = BATCH, keep: bool = True) -> FeatureSet:
    """Features of a source's images: kept ones, or extracted and kept. Raises InputError as reading images does."""
    if not keep:
        return extract(source, extractor, batch)
    limit()  # what is wrong with it is said before the work
    digest = SetDigest(source.count)
    for images in with_progress(source, batch, "reading"):
        digest.update(images)
    kept = load_kept(extractor.fingerprint, digest.hexdigest())
    if kept is not None:
        return kept
    features = extract(source, extractor, batch)
    try:
        features.save(kept_file(features.fingerprint, features.images_sha256))
        trim()
    except OutputError as error:
        say(f"features are not kept: {error}")
    return features


def extract(source: ImageSource, extractor: Extractor, batch: int = BATCH) -> FeatureSet:
    collector = FeatureCollector(extractor, source.count)
    for images in with_progress(source, batch, f"{extractor.name} features"):
        collector.add(images)
    return collector.finish()


def load_kept(fingerprint: str, images_sha256: str) -> FeatureSet | None:
    """Kept features of exactly these images; None where there are none, or the file is damaged or of others."""
    file = kept_file(fingerprint, images_sha256)
    try:
        features = FeatureSet.load(file)
    except InputError:
        return None
    if (features.fingerprint, features.images_sha256) != (fingerprint, images_sha256):
        return None
    note_use(file)
    return features


def with_progress(source: ImageSource, batch: int, what: str) -> Iterator[Tensor]:
    """The source's batches, with their progress on stderr."""
    return counted(source.batches(batch), source.count, f"{source.name}: {what}", len)
