"""Whether the two sides of a pair are equals, before anything is timed: the same samples from the same work.

In float32 samples must agree far better than caching moves them. In a narrower dtype two codes that round in another
order differ by more than that, so there the same pair is held to it in float32 first; in the dtype that is timed both
sides must then compute as many branches.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor

from bench.benchmarks.peers.pair import FLOAT32, UNCACHED, Pair
from models.dit import DiT

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1}  # of max|samples|


class Unequal(ValueError):
    """The sides of a pair do not do the same, or not what the case is named for: their times would mislead."""


def equality(pair: Pair, model: DiT) -> dict[str, Any]:
    """How near the samples are, beside how far caching moves them, and the branches computed; `model` is in float32.

    Raises Unequal where the sides differ.
    """
    exact = compared(pair.at(dtype=FLOAT32), model)
    if pair.how.dtype == FLOAT32:
        return exact
    rounded = compared(pair, in_dtype(pair, model))
    return {**rounded, "difference": exact["difference"], "difference_rounded": rounded["difference"]}


def in_dtype(pair: Pair, model: DiT) -> DiT:
    """A float32 model in the pair's dtype; itself where that is float32."""
    return model if pair.how.dtype == FLOAT32 else copy.deepcopy(model).to(pair.dtype)


def compared(pair: Pair, model: DiT) -> dict[str, Any]:
    """Both sides on `model`. A peer whose state leaks from one trajectory into the next is no equal: it runs twice."""
    inputs = pair.setting.inputs(model)
    plain = Pair(pair.setting, "uncached", pair.how).ours(model)(*inputs).clone()
    ours, theirs = pair.ours(model), pair.theirs(model, counted=True)
    mine = ours(*inputs).clone()
    taken, effect = ours.taken().computed, distance(plain, mine)
    if pair.case not in UNCACHED and taken.all():
        raise Unequal(f"peers: {pair.case}: nothing is reused, so that its times would be those of no cache")
    most = TOLERANCE[pair.how.dtype]
    if pair.how.dtype == FLOAT32:
        most = min(most, effect / 10 or most)
    for turn in ("first", "second"):
        difference, called = distance(theirs(*inputs), mine), len(theirs.calls)
        if called != taken.sum() or difference > most:
            raise Unequal(
                f"peers: {pair.case}, {turn} trajectory: {taken.sum()} branches computed here, {called} there; samples "
                f"differ by {difference:.1e} of the largest, caching moves them by {effect:.1e}"
            )
    computed = {"branches_computed": int(taken.sum()), "branches": taken.size}
    return {**computed, "difference": difference, "effect_of_caching": effect}


def distance(a: Tensor, b: Tensor) -> float:
    """Largest difference relative to the largest value."""
    a, b = a.float(), b.float()
    return float((a - b).abs().max() / b.abs().max())
