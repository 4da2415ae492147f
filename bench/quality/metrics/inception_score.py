"""Inception score of logits (Salimans et al. 2016), by the papers' splits, with its jackknife error.

Scores of splits are averaged, and each is scored against its own share of the classes: in a set that is sorted by class
a split holds few of them, and the mean falls far below the score of the whole, whatever the images are like. With p̄_s
the mean of p(y|x) over split s and p̄ over all, log IS(all) = Σ_s n_s/N log IS(s) + I(split; y), the Jensen-Shannon
divergence of the p̄_s. So that divergence says what the splits cost, and `unbalanced` whether chance explains it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.extractors.fidelity_library import features_to_metric
from bench.quality.images.checks import require_finite
from bench.quality.metrics.frechet_uncertainty import RANGES
from bench.statistics.jackknife import GROUPS, Groups, jackknife
from models.errors import InputError

SPLIT_SIZE = 5000  # of a split at most; ADM's evaluator scores consecutive 5000 and, last, what is left
UNBALANCED = 0.02  # nats of the score's logarithm, a score 2 % too low, that splits may cost beyond twice chance


def inception_score(logits: Tensor, splits: int | None = None) -> float:
    """Mean over consecutive splits of exp(E KL(p(y|x) ‖ p(y))), logits [N,classes], samples not shuffled.

    By default ceil(N / 5000) splits of equal size, which at multiples of 5000 are those of ADM's evaluator
    (`adm_inception_score`). Raises InputError when splits exceed N.
    """
    splits = papers_splits(len(logits)) if splits is None else splits
    if splits > len(logits):
        raise InputError(f"the Inception score needs at least one sample a split: {len(logits)} for {splits} splits")
    score = features_to_metric("isc")(bounded(logits), splits=splits, shuffle=False)
    return score["inception_score_mean"]


def papers_splits(samples: int) -> int:
    """So many equal splits that none exceeds 5000 samples: one below that."""
    return max(1, math.ceil(samples / SPLIT_SIZE))


def adm_inception_score(logits: Tensor) -> float:
    """ADM's rule (Dhariwal & Nichol 2021): the mean over splits of exactly 5000, and of the rest as one more split.

    The rest weighs as much as a whole split, however few it holds: 50 samples after 10,000 take a third of the score
    and, scored against so few, pull it down. Equal to `inception_score` at multiples of 5000 and below 5000.
    """
    return float(np.mean([inception_score(part, splits=1) for part in logits.split(SPLIT_SIZE)]))


def split_cost(logits: Tensor, splits: int) -> tuple[float, float]:
    """I(split; y) of so many equal splits of logits [N,C] in nats, and what a random order is expected to give.

    That is (S - 1) / 2N Σ_c Var p(c|x) / p̄(c): for certain predictions (S - 1)(C - 1) / 2N, as in a χ² test.
    """
    p = bounded(logits).softmax(dim=1).numpy()
    mean = p.mean(axis=0)
    parts = np.split(p, split_bounds(len(p), splits)[1:-1])
    within = sum(len(part) / len(p) * entropy(part.mean(axis=0)) for part in parts)
    return entropy(mean) - within, (splits - 1) / (2 * len(p)) * float((p.var(axis=0) / mean).sum())


def unbalanced(logits: Tensor, splits: int) -> bool:
    """Whether consecutive splits of logits [N,C] hold other classes than a random order would give them."""
    cost, chance = split_cost(logits, splits)
    return cost > 2 * chance + UNBALANCED


def order_details(logits: Tensor) -> dict[str, Any]:
    """`is_one_split`, `is_adm`, and `warnings`: sentences on what the order of the samples does to `is` and spreads."""
    one = inception_score(logits, splits=1)
    splits, warnings = papers_splits(len(logits)), []
    if unbalanced(logits, splits):
        warnings.append(
            f"is: the {splits} consecutive splits hold different classes, as in a set sorted by class: their mean is "
            f"too low, {inception_score(logits):.4g} where one split gives {one:.4g} (is_one_split)"
        )
    if len(logits) >= RANGES and unbalanced(logits, RANGES):
        warnings.append("fd_spread: the consecutive quarters of the set hold different classes; it says less than that")
    return {"is_one_split": one, "is_adm": adm_inception_score(logits), "warnings": warnings}


def entropy(p: NDArray[np.float64]) -> float:
    """- Σ p log p of probabilities [C], all above zero."""
    return float(-(p * np.log(p)).sum())


def split_bounds(samples: int, splits: int) -> list[int]:
    """Where equal, consecutive splits begin, and the end."""
    return [i * samples // splits for i in range(splits + 1)]


def inception_score_with_error(logits: Tensor, groups: Groups) -> dict[str, Any]:
    """`is`, its splits, jackknife replicates and standard error; replicates keep the splits of the whole."""
    value = inception_score(logits)
    splits = papers_splits(len(logits))
    parts = [slice(start, end) for start, end in pairwise(split_bounds(len(logits), splits))]
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
    left = len(p) - members.sum(axis=1)  # samples kept [G]
    negentropy = (p * np.log(p)).sum(axis=1)  # Σ_c p log p of each sample [n]
    kept = negentropy.sum() - members @ negentropy
    q = (p.sum(axis=0) - members @ p).clip(min=np.finfo(np.float64).tiny) / left[:, None]
    return np.exp(kept / left - (q * np.log(q)).sum(axis=1))


def bounded(logits: Tensor) -> Tensor:
    """Finite logits [N,C] in float64, at most 700 below their maximum: so no probability underflows, and no 0·∞ occurs.

    Raises InputError for others.
    """
    require_finite("logits", logits)
    shifted = logits.double() - logits.double().amax(dim=1, keepdim=True)
    return shifted.clamp(min=-700)
