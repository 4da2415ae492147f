"""Distribution metrics of one method's samples, all from stored features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.features.feature_set import FeatureSet
from bench.quality.features.reference_set import ReferenceSet
from bench.quality.images.checks import require_finite
from bench.quality.metrics.frechet import Target
from bench.quality.metrics.frechet_uncertainty import extrapolate, frechet_with_error, spread
from bench.quality.metrics.inception_score import inception_score_with_error
from bench.quality.metrics.kernel_distance import kernel_distance
from bench.quality.metrics.precision_recall import precision_recall
from bench.statistics.jackknife import GROUPS, Groups, jackknife, jackknife_groups
from models.errors import InputError

Labels = Tensor | NDArray[np.integer] | list[int]
Metrics = dict[str, Any]


def distribution_metrics(
    samples: FeatureSet, reference: ReferenceSet, labels: Labels | None, *, recognises_labels: bool = True
) -> Metrics:
    """Every distribution metric of `samples` against `reference`, as plain numbers ready for JSON.

    `labels` [N] are the classes asked for, None where there are none; they are scored where the extractor
    `recognises_labels`: its logits are of the same classes (Inception's 1008 are not ImageNet's). A metric whose
    ingredients (logits, labels, spatial features, the reference's features) are not there is null: `omitted` says why.
    `*_jackknife` are the values without each of the 32 groups of `jackknife_groups`, `*_se` their standard error;
    those of `fd`, `sfd` and `kid` keep the class shares of the whole, and `kid` is the stratified one.
    The reference is taken as fixed, so its own bias stays in all of them.
    Raises InputError when the fingerprints differ, a metric has too few samples, or labels do not fit.
    """
    require_comparable(samples.fingerprint, reference.fingerprint)
    classes = None if labels is None else checked_labels(labels, samples, recognises_labels)
    groups = jackknife_groups(len(samples), classes)
    missing = absent(samples, reference, classes, recognises_labels)
    metrics: Metrics = dict.fromkeys(missing) | {
        "samples": len(samples),
        "fingerprint": samples.fingerprint,
        "images_sha256": samples.images_sha256,
        "reference_samples": reference.samples,
        "reference_sha256": reference.sha256,
        "jackknife_groups": GROUPS,
        **frechet_metrics(samples, reference, classes, groups),
        **score_metrics(samples, None if "accuracy" in missing else classes, groups),
        **neighbour_metrics(samples, reference, groups, classes),
    }
    return metrics | {"omitted": missing}


def absent(
    samples: FeatureSet, reference: ReferenceSet, labels: NDArray[np.int64] | None, recognises_labels: bool
) -> dict[str, str]:
    """Why each metric that cannot be computed cannot, in a phrase."""
    reasons = {}
    if samples.spatial is None or reference.spatial is None:
        lacks = "the extractor" if samples.spatial is None else f"the reference '{reference.name}'"
        reasons["sfd"] = f"{lacks} has no spatial features"
    if samples.logits is None:
        reasons |= {"is": "the extractor has no logits", "accuracy": "the extractor has no logits"}
    elif labels is None or not recognises_labels:
        reasons["accuracy"] = no_accuracy(labels)
    if reference.features is None:
        reason = f"the reference '{reference.name}' holds statistics, no features"
        reasons |= dict.fromkeys(("precision", "recall", "kid"), reason)
    return reasons


def no_accuracy(labels: NDArray[np.int64] | None) -> str:
    """Why there is none although there are logits."""
    return "no labels were given" if labels is None else "the extractor's classes are not the labels'"


def frechet_metrics(
    samples: FeatureSet, reference: ReferenceSet, classes: NDArray[np.int64] | None, groups: Groups
) -> Metrics:
    """`fd` with error, interval, extrapolation and spread; `sfd` with error where there are spatial features."""
    pool, features = samples.pool.numpy(), reference.features
    whole = features is not None and len(features) == reference.samples
    target = Target(reference.pool, features.numpy() if features is not None and whole else None)
    metrics = frechet_with_error("fd", pool, target, groups, classes)
    line = extrapolate(pool, target, classes)
    metrics |= {"fd_infinity": line.value, "fd_infinity_se": float(np.hypot(line.residual, metrics["fd_se"]))}
    metrics |= spread(pool, target)
    if samples.spatial is not None and reference.spatial is not None:
        metrics |= frechet_with_error("sfd", samples.spatial.numpy(), Target(reference.spatial), groups, classes)
    return metrics


def score_metrics(samples: FeatureSet, classes: NDArray[np.int64] | None, groups: Groups) -> Metrics:
    """`is` and `accuracy`, where there are logits, and labels."""
    if samples.logits is None:
        return {}
    scores = inception_score_with_error(samples.logits, groups)
    return scores if classes is None else scores | accuracy_with_error(samples.logits, classes, groups)


def neighbour_metrics(
    samples: FeatureSet, reference: ReferenceSet, groups: Groups, classes: NDArray[np.int64] | None
) -> Metrics:
    """`precision`, `recall` and `kid`, where the reference has features."""
    if reference.features is None:
        return {}
    return {
        **precision_recall(samples.pool, reference.features),
        **kernel_distance(samples.pool, reference.features, groups, classes),
    }


def accuracy_with_error(logits: Tensor, labels: NDArray[np.int64], groups: Groups) -> Metrics:
    """Share of samples classified as their label: overall, in each group, without each group, standard error."""
    require_finite("logits", logits)
    correct = (logits.argmax(dim=1).numpy() == labels).astype(np.float64)
    sizes, hits = np.bincount(groups), np.bincount(groups, weights=correct)
    value = float(correct.mean())
    replicates = (hits.sum() - hits) / (len(groups) - sizes)
    return {
        "accuracy": value,
        "accuracy_se": jackknife(value, replicates, groups).standard_error,
        "accuracy_groups": (hits / sizes).tolist(),
        "accuracy_jackknife": replicates.tolist(),
    }


def checked_labels(labels: Labels, samples: FeatureSet, recognised: bool) -> NDArray[np.int64]:
    """Labels as int64 [N]; InputError when their number or, where they are recognised, a class does not fit."""
    array = torch.as_tensor(labels).cpu().numpy()
    if array.shape != (len(samples),) or array.dtype.kind not in "iu":
        raise InputError(f"labels must be {len(samples)} integers, got {array.dtype} {list(array.shape)}")
    most = samples.logits.shape[1] - 1 if samples.logits is not None and recognised else array.max()
    if array.min() < 0 or array.max() > most:
        raise InputError(f"labels must lie in [0, {most}], got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def require_comparable(samples: str, reference: str) -> None:
    """Raise InputError when the fingerprints say that samples and reference come from different extractors."""
    if samples != reference:
        raise InputError(f"features are not comparable: samples from '{samples}', reference from '{reference}'")
