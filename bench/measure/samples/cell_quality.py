"""A cell's quality: distribution metrics from features, and pairwise fidelity to two uncached trajectories."""

from __future__ import annotations

from typing import Any

import models
from bench.measure.samples.instruments import Instruments
from bench.measure.samples.stream import Stream
from bench.quality import distribution as quality
from bench.quality.features.feature_set import FeatureSet
from bench.quality.metrics import paired
from bench.quality.metrics.paired import Array
from bench.sampling import balanced_labels
from bench.suite.cells import Cell

PAIRED_REFERENCE = ("psnr", "latent_error")  # what is also stored against the suite's reference method


def measure_quality(stream: Stream) -> dict[str, Any]:
    """The `quality` part of a result; what is missing of the samples is made."""
    cell, instruments = stream.cell, stream.instruments
    features, pairs = stream.results()
    decoder = None if instruments.autoencoder is None else instruments.autoencoder.fingerprint
    common = {"samples": cell.protocol.samples, "seed": cell.protocol.seed, "autoencoder": decoder}
    shown = {} if features is None else distribution(cell, features, instruments)
    omitted = shown.pop("omitted", {}) | instruments.omitted
    return common | shown | fidelity(pairs) | {"omitted": omitted}


def distribution(cell: Cell, features: FeatureSet, instruments: Instruments) -> dict[str, Any]:
    """Metrics of all samples' features against the reference; without one, what the features are."""
    spec, extractor, reference = models.spec(cell.model), instruments.extractor, instruments.reference
    if extractor is None or reference is None:
        return {"fingerprint": features.fingerprint, "images_sha256": features.images_sha256}
    labels = balanced_labels(range(len(features)), spec.num_classes)
    return {
        "features": extractor.name,
        "weights_sha256": extractor.weights_sha256,
        "reference": reference.name,
        **quality.evaluate(features, reference, labels, recognises_labels=extractor.recognises_labels),
    }


def fidelity(pairs: dict[str, dict[str, Array]]) -> dict[str, Any]:
    """Paired metrics against "" (the same sampler uncached) and "_reference".

    The keys are null where there is nothing else to compare with.
    """
    found: dict[str, Any] = dict.fromkeys([*PAIRED_REFERENCE, "identical"])
    found |= dict.fromkeys(f"{name}_reference" for name in PAIRED_REFERENCE)
    for suffix, values in pairs.items():
        metrics = paired.summary(values)
        wanted = PAIRED_REFERENCE if suffix else tuple(metrics)
        found |= {name + suffix: metrics[name] for name in wanted if name in metrics}
    return found
