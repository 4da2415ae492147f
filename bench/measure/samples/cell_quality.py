"""A cell's quality: distribution metrics from features, and pairwise fidelity to two uncached trajectories."""

from __future__ import annotations

from typing import Any

import models
from bench.measure.samples.exact_solution import SEEDS, has_none
from bench.measure.samples.instruments import Instruments
from bench.measure.samples.stream import Stream
from bench.quality import distribution as quality
from bench.quality.features.feature_set import FeatureSet
from bench.quality.metrics import paired
from bench.quality.metrics.own_distance import own_distance
from bench.quality.metrics.paired import Array
from bench.sampling import balanced_labels
from bench.statistics.jackknife import jackknife_groups
from bench.suite.cells import Cell
from models.errors import InputError

PAIRED_REFERENCE = ("psnr", "latent_error")  # what is also stored against the suite's reference method


def measure_quality(stream: Stream) -> dict[str, Any]:
    """The `quality` part of a result; what is missing of the samples is made."""
    cell, instruments = stream.cell, stream.instruments
    features, pairs = stream.results()
    decoder = None if instruments.autoencoder is None else instruments.autoencoder.fingerprint
    common = {"samples": cell.protocol.samples, "seed": cell.protocol.seed, "autoencoder": decoder}
    shown = {} if features is None else distribution(cell, features, instruments)
    omitted = shown.pop("omitted", {}) | instruments.omitted | paired.absent(pairs.get("", {}))
    exact = error_to_exact(stream)
    omitted |= exact.pop("omitted", {})
    return common | shown | fidelity(pairs) | exact | distance_to_own(stream, features) | {"omitted": omitted}


def error_to_exact(stream: Stream) -> dict[str, Any]:
    """`ode_error` of the first seeds; the reason under `omitted` where a cell has none."""
    samples, exact = stream.cell.protocol.samples, stream.exact
    reason = has_none(stream.cell.sampler.method, stream.own.model)
    if samples < SEEDS:
        reason = f"it takes {SEEDS} samples, the suite has {samples}"
    if reason is not None or exact is None:
        return {"omitted": {"ode_error": reason}} if reason else {}
    try:
        return exact.error_of(stream.own.read(stream.ranges[0])[:SEEDS])
    except InputError as error:  # a model that the solver cannot integrate
        return {"omitted": {"ode_error": str(error)}}


def distance_to_own(stream: Stream, features: FeatureSet | None) -> dict[str, Any]:
    """`fd_own` to the samples of the suite's reference; empty where this is the reference, or nothing is looked at."""
    if features is None or stream.reference is None:
        return {}
    own, _ = stream.reference.results()
    assert own is not None, "the same instruments look at both"
    labels = balanced_labels(range(len(features)), models.spec(stream.cell.model).num_classes).numpy()
    return own_distance(features.pool.numpy(), own.pool.numpy(), jackknife_groups(len(features), labels), labels)


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
        **quality.distribution_metrics(features, reference, labels, recognises_labels=extractor.recognises_labels),
    }


def fidelity(pairs: dict[str, dict[str, Array]]) -> dict[str, Any]:
    """Paired metrics against "" (the same sampler uncached) and "_reference".

    The keys are null where there is nothing else to compare with.
    """
    columns: dict[str, Any] = dict.fromkeys([*PAIRED_REFERENCE, "identical"])
    columns |= dict.fromkeys(f"{name}_reference" for name in PAIRED_REFERENCE)
    for suffix, values in pairs.items():
        metrics = paired.summary(values)
        wanted = PAIRED_REFERENCE if suffix else tuple(metrics)
        columns |= {name + suffix: metrics[name] for name in wanted if name in metrics}
    return columns
