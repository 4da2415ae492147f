"""Inception score of logits (Salimans et al. 2016), by the papers' splits, with its jackknife error."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.extractors.fidelity_library import features_to_metric
from bench.statistics.jackknife import GROUPS, Groups, jackknife
from models.errors import InputError

SPLIT_SIZE = 5000  # ADM's evaluator scores consecutive splits of 5000


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
    return max(1, math.ceil(samples / SPLIT_SIZE))


def inception_score_with_error(logits: Tensor, groups: Groups) -> dict[str, Any]:
    """`is`, its splits, jackknife replicates and standard error; replicates keep the splits of the whole."""
    value = inception_score(logits)
    splits = papers_splits(len(logits))
    bounds = [i * len(logits) // splits for i in range(splits + 1)]
    parts = [slice(start, end) for start, end in pairwise(bounds)]
    replicates = np.mean([scores_without(logits[part], groups[part]) for part in parts], axis=0)
    return {
        "is": value,
        "is_se": jackknife(value, replicates, groups).standard_error,
        "is_splits": splits,
        "is_jackknife": replicates.tolist(),
    }


def scores_without(logits: Tensor, groups: Groups) -> NDArray[np.float64]:
    """Inception scores [G] of one split's logits [n,classes] without each group: exp(mean Σ p log p - Σ q log q)."""
    p = bounded(logits).softmax(dim=1).numpy()
    members = np.arange(GROUPS)[:, None] == groups  # [G,n]
    left = len(p) - members.sum(axis=1)
    negentropy = (p * np.log(p)).sum(axis=1)
    kept = negentropy.sum() - members @ negentropy
    q = (p.sum(axis=0) - members @ p).clip(min=np.finfo(np.float64).tiny) / left[:, None]
    return np.exp(kept / left - (q * np.log(q)).sum(axis=1))


def bounded(logits: Tensor) -> Tensor:
    """Logits in float64, at most 700 below their maximum: then no probability underflows, and 0·∞ cannot occur."""
    shifted = logits.double() - logits.double().amax(dim=1, keepdim=True)
    return shifted.clamp(min=-700)
