"""Assessment of samples from outside: images or stored features against a reference set, without any model."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from bench.quality import distribution as quality
from bench.quality import extractors
from bench.quality.extractors import Extractor
from bench.quality.features import reference_set, reference_sets
from bench.quality.features.extraction import BATCH, features_of, with_progress
from bench.quality.features.feature_set import FeatureSet
from bench.quality.features.reference_set import ReferenceSet
from bench.quality.images.folder import ImageFolder
from bench.quality.images.source import ImageSource, open_images
from bench.quality.metrics import paired
from bench.quality.metrics.inception_score import order_details
from bench.schema.metrics import METRICS
from bench.statistics.jackknife import jackknife_groups
from models.errors import InputError


@dataclass(frozen=True)
class Assessment:
    """`features` names the extractor of images, `weights` its file; features are `kept` between runs."""

    features: str = "adm"
    weights: str | None = None
    device: str = "cpu"
    batch: int = BATCH
    kept: bool = True

    @cached_property
    def extractor(self) -> Extractor:
        return extractors.build(self.features, weights=self.weights, device=self.device)

    def against(self, samples: str, reference: str | None, labels: np.ndarray | None = None) -> dict[str, Any]:
        """All distribution metrics, with what they were computed from; without a reference set the Inception score.

        Whatever can be refused is refused before weights are loaded and hours are spent on features.
        """
        given: FeatureSet | ImageSource
        given = FeatureSet.load(samples) if Path(samples).suffix == ".safetensors" else self._images(samples)
        stored = given if isinstance(given, FeatureSet) else None
        count = len(given) if isinstance(given, FeatureSet) else given.count
        if labels is not None and len(labels) != count:
            raise InputError(f"labels must be {count} integers, got {labels.dtype} {list(labels.shape)}")
        target = None if reference is None else self.reference(reference, stored)
        features = given if isinstance(given, FeatureSet) else self._features(given)
        name, is_fid = extractors.describe(features.fingerprint)
        origin = {"source": samples, "features": name, "is_fid": is_fid}
        recognises = self._class_of(features).recognises_labels
        if target is None:
            return origin | {"reference": None} | alone(features, labels, recognises)
        metrics = quality.distribution_metrics(features, target, labels, recognises_labels=recognises)
        details = {} if features.logits is None else order_details(features.logits)
        return origin | {"reference": target.name} | metrics | details

    def reference(self, source: str, stored: FeatureSet | None) -> ReferenceSet:
        """The reference set, in the samples' features. `stored` are the samples' features where they are known."""
        if holds_images(source):
            images = self._images(source)
            quality.require_comparable(self._fingerprint(stored), self.extractor.fingerprint)
            return reference_set.from_features(self._features(images), source)
        kind = stored.fingerprint.partition(":")[0] if stored else self.features
        target = reference_sets.load(source, features=kind)
        quality.require_comparable(self._fingerprint(stored), target.fingerprint)
        if target.features is None and stored is None:  # an ADM file's own images
            return reference_sets.load(source, features=kind, extractor=self.extractor)
        return target

    def _fingerprint(self, stored: FeatureSet | None) -> str:
        return stored.fingerprint if stored else self.extractor.fingerprint

    def _features(self, images: ImageSource) -> FeatureSet:
        return features_of(images, self.extractor, self.batch, self.kept)

    def _images(self, source: str) -> ImageSource:
        return open_images(source, extractors.find(self.features).channels)

    def _class_of(self, features: FeatureSet) -> type[Extractor]:
        name = features.fingerprint.partition(":")[0]
        return extractors.find(name) if name in extractors.names() else Extractor


def alone(features: FeatureSet, labels: np.ndarray | None, recognises: bool) -> dict[str, Any]:
    """What can be said without a reference set: the Inception score and, with labels that are recognised, the accuracy.

    Raises InputError where the extractor has no logits, and for labels that do not fit.
    """
    if features.logits is None:
        raise InputError(f"'{features.fingerprint}' has no logits: without a REFERENCE there is nothing to compute")
    classes = None if labels is None else quality.checked_labels(labels, features, recognises)
    groups = jackknife_groups(len(features), classes)
    omitted = dict.fromkeys((m.key for m in METRICS if m.to_real), "no REFERENCE was given")
    scored = classes if recognises else None
    if scored is None:
        omitted["accuracy"] = quality.no_accuracy(classes)
    about = {"samples": len(features), "fingerprint": features.fingerprint, "images_sha256": features.images_sha256}
    scores = {"accuracy": None} | quality.score_metrics(features, scored, groups)
    return about | scores | order_details(features.logits) | {"omitted": omitted}


def holds_images(source: str) -> bool:
    """Whether a path is images: a folder, an npy, or an npz that holds `arr_0` and no statistics."""
    path = Path(source)
    if path.is_dir() or path.suffix == ".npy":
        return True
    if path.suffix != ".npz" or not path.is_file():
        return False
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return not {"mu.npy", "sigma.npy"} & {*archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return True  # reading it will say what is wrong


def compare_pairs(
    samples: str, other: str, batch: int = BATCH, perceptual: paired.Perceptual | None = None
) -> dict[str, Any]:
    """Paired metrics of two sets of images whose members belong together: equal names in folders, else equal places.

    `perceptual` adds LPIPS. Raises InputError where names, numbers or shapes differ.
    """
    sources = open_images(samples), open_images(other)
    require_pairs(*sources)
    values: dict[str, list[np.ndarray]] = {}
    for images, others in batches_of(*sources, batch):
        for name, each in paired.compare_images(images, others, perceptual).items():
            values.setdefault(name, []).append(each)
    omitted = paired.absent(values)
    metrics = paired.summary({name: np.concatenate(v) for name, v in values.items()})
    return {"pairs": sources[0].count} | dict.fromkeys(omitted) | metrics | {"omitted": omitted}


def batches_of(samples: ImageSource, other: ImageSource, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(with_progress(samples, batch, "pairs"), other.batches(batch), strict=True)


def require_pairs(samples: ImageSource, other: ImageSource) -> None:
    if samples.count != other.count:
        raise InputError(f"pairs: {samples.name} holds {samples.count} images, {other.name} {other.count}")
    if samples.shape != other.shape:
        shapes = f"{list(samples.shape)} against {list(other.shape)} (C, H, W)"
        raise InputError(f"pairs: images of {samples.name} and {other.name} have shapes {shapes}")
    if not (isinstance(samples, ImageFolder) and isinstance(other, ImageFolder)):
        return
    for source in (samples, other):
        require_unique(source)
    for mine, theirs in itertools.zip_longest(samples.names(), other.names()):
        if mine != theirs:
            raise InputError(f"pairs: '{mine}' of {samples.name} meets '{theirs}' of {other.name}")


def require_unique(source: ImageFolder) -> None:
    """Raise InputError where two images have one name but for their suffix: they could pair with either."""
    for name, times in Counter(source.names()).items():
        if times > 1:
            raise InputError(f"pairs: '{name}' of {source.name} is there with {times} suffixes")
