"""Distribution metrics of one method's samples, all from stored features."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench import frechet
from bench.features import FeatureSet
from bench.fidelity_library import features_to_metric
from bench.jackknife import GROUPS, Groups, jackknife, jackknife_groups
from models.errors import InputError

NEIGHBOURS = 3  # Kynkäänniemi et al. (2019), as in ADM's evaluator
KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
IS_SPLIT_SIZE = 5000  # ADM's evaluator scores consecutive splits of 5000
NO_ACCURACY = {"accuracy": None, "accuracy_se": None, "accuracy_groups": None, "accuracy_jackknife": None}
SEED = 2020  # of KID's subsets; the global random state is neither read nor changed


def evaluate(
    samples: FeatureSet, reference: FeatureSet, labels: Tensor | NDArray[np.integer] | list[int] | None
) -> dict[str, Any]:
    """Every distribution metric of `samples` against `reference`, as plain numbers ready for JSON.

    `labels` [N] are the classes asked for; None leaves the accuracy out (null). `*_jackknife` are the values
    without each of the 32 groups of `jackknife_groups`, `*_se` their standard error and `fd_corrected` the
    bias-corrected Fréchet distance; the reference is taken as fixed, so its own bias stays in all of them.
    Raises InputError when the fingerprints differ, a metric has too few samples, or labels do not fit.
    """
    require_comparable(samples, reference)
    classes = None if labels is None else checked_labels(labels, samples)
    groups = jackknife_groups(len(samples), classes)
    return {
        "samples": len(samples),
        "fingerprint": samples.fingerprint,
        "images_sha256": samples.images_sha256,
        "reference_samples": len(reference),
        "reference_sha256": reference.images_sha256,
        "jackknife_groups": GROUPS,
        **frechet_with_error(samples, reference, groups),
        **scores_of_logits(samples.logits, classes, groups),
        **precision_recall(samples.pool, reference.pool),
        **kernel_distance(samples.pool, reference.pool),
    }


def scores_of_logits(logits: Tensor | None, classes: NDArray[np.int64] | None, groups: Groups) -> dict[str, Any]:
    """Inception score and accuracy; null where the extractor has no logits."""
    if logits is None:
        return {"is": None, "is_se": None, "is_jackknife": None, **NO_ACCURACY}
    return inception_score_with_error(logits, groups) | accuracy_with_error(logits, classes, groups)


def frechet_with_error(samples: FeatureSet, reference: FeatureSet, groups: Groups) -> dict[str, Any]:
    """`fd`, its jackknife replicates, standard error and bias-corrected value."""
    target = frechet.Target.of(reference.pool.numpy())
    value = target.distance(samples.pool.numpy())
    replicates = target.distances_without(samples.pool.numpy(), groups)
    estimate = jackknife(value, replicates, groups)
    return {
        "fd": value,
        "fd_se": estimate.standard_error,
        "fd_corrected": estimate.corrected,
        "fd_jackknife": replicates.tolist(),
    }


def inception_score(logits: Tensor, splits: int | None = None) -> float:
    """Mean over consecutive splits of exp(E KL(p(y|x) ‖ p(y))), logits [N,classes], samples not shuffled.

    The papers' rule for `splits` is the default: ceil(N / 5000). Raises InputError when splits exceed N.
    """
    splits = papers_splits(len(logits)) if splits is None else splits
    if splits > len(logits):
        raise InputError(f"the Inception score needs at least one sample a split: {len(logits)} for {splits} splits")
    score = features_to_metric("isc")(bounded(logits), splits=splits, shuffle=False)
    return score["inception_score_mean"]


def papers_splits(samples: int) -> int:
    """The papers score consecutive splits of 5000 samples: one split below that."""
    return max(1, math.ceil(samples / IS_SPLIT_SIZE))


def inception_score_with_error(logits: Tensor, groups: Groups) -> dict[str, Any]:
    """`is`, its jackknife replicates and standard error; replicates keep the splits of the whole."""
    value = inception_score(logits)
    splits = papers_splits(len(logits))
    bounds = [i * len(logits) // splits for i in range(splits + 1)]
    probabilities = bounded(logits).softmax(dim=1).numpy()
    parts = [slice(start, end) for start, end in pairwise(bounds)]
    replicates = np.mean([scores_without(probabilities[part], groups[part]) for part in parts], axis=0)
    return {
        "is": value,
        "is_se": jackknife(value, replicates, groups).standard_error,
        "is_jackknife": replicates.tolist(),
    }


def scores_without(p: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """Inception scores [G] of probabilities p [n,classes] without each group: exp(mean Σ p log p - Σ q log q)."""
    left = len(p) - np.bincount(groups, minlength=GROUPS)
    negentropy = (p * np.log(p)).sum(axis=1)
    kept = negentropy.sum() - np.bincount(groups, weights=negentropy, minlength=GROUPS)
    sums = np.zeros((GROUPS, p.shape[1]))
    np.add.at(sums, groups, p)
    q = (p.sum(axis=0) - sums).clip(min=np.finfo(np.float64).tiny) / left[:, None]
    return np.exp(kept / left - (q * np.log(q)).sum(axis=1))


def bounded(logits: Tensor) -> Tensor:
    """Logits in float64, at most 700 below their maximum: then no probability underflows, and 0·∞ cannot occur."""
    shifted = logits.double() - logits.double().amax(dim=1, keepdim=True)
    return shifted.clamp(min=-700)


def precision_recall(samples: Tensor, reference: Tensor) -> dict[str, Any]:
    """`precision`: samples within a reference ball; `recall`: reference within a sample ball (k = 3, float64)."""
    require_samples("precision and recall", NEIGHBOURS + 1, samples, reference)
    # The library's convention: generated first, real second. Exchanging them exchanges the two numbers silently.
    found = features_to_metric("prc")(
        samples.double(), reference.double(), prc_neighborhood=NEIGHBOURS, save_cpu_ram=True, verbose=False
    )
    return {"precision": found["precision"], "recall": found["recall"]}


def kernel_distance(samples: Tensor, reference: Tensor) -> dict[str, Any]:
    """`kid`: mean unbiased MMD² (cubic kernel) over random subsets, in float64, with the subsets' size and number.

    The spread over subsets is not reported: they overlap, so it is not a standard error.
    """
    require_samples("KID", 2, samples, reference)
    size = min(KID_SUBSET_SIZE, len(samples), len(reference))
    found = features_to_metric("kid")(
        samples.double(),
        reference.double(),
        kid_subsets=KID_SUBSETS,
        kid_subset_size=size,
        rng_seed=SEED,
        verbose=False,
    )
    return {"kid": found["kernel_inception_distance_mean"], "kid_subset_size": size, "kid_subsets": KID_SUBSETS}


def accuracy_with_error(logits: Tensor, labels: NDArray[np.int64] | None, groups: Groups) -> dict[str, Any]:
    """Share of samples classified as their label: overall, in each group, without each group, standard error."""
    if labels is None:
        return dict(NO_ACCURACY)
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


def checked_labels(labels: Tensor | NDArray[np.integer] | list[int], samples: FeatureSet) -> NDArray[np.int64]:
    """Labels as int64 [N]; InputError when their number or a class does not fit the samples' logits."""
    if samples.logits is None:
        raise InputError(f"labels need an extractor with logits; '{samples.fingerprint}' has none")
    array = torch.as_tensor(labels).cpu().numpy()
    classes = samples.logits.shape[1]
    if array.shape != (len(samples),) or array.dtype.kind not in "iu":
        raise InputError(f"labels must be {len(samples)} integers, got {array.dtype} {list(array.shape)}")
    if array.min() < 0 or array.max() >= classes:
        raise InputError(f"labels must lie in [0, {classes - 1}], got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def require_comparable(samples: FeatureSet, reference: FeatureSet) -> None:
    """Raise InputError when two feature sets come from different extractors."""
    if samples.fingerprint != reference.fingerprint:
        made_by = f"samples from '{samples.fingerprint}', reference from '{reference.fingerprint}'"
        raise InputError(f"features are not comparable: {made_by}")


def require_samples(metric: str, least: int, samples: Tensor, reference: Tensor) -> None:
    """Raise InputError when either set is too small for a metric: never a smaller number instead."""
    for what, features in (("samples", samples), ("reference samples", reference)):
        if len(features) < least:
            raise InputError(f"{metric}: at least {least} {what} needed, got {len(features)}")
