"""Which evaluations a router decides about, and which of its rows each of them reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.method import Evaluation

if TYPE_CHECKING:
    from models.denoiser import Denoiser


@dataclass(frozen=True)
class Routed:
    """An evaluation that may reuse; the one before it is always computed whole, and is what it reuses."""

    evaluation: int
    row: int


def solver_steps(evaluations: Sequence[Evaluation]) -> int:
    return evaluations[-1].step + 1


def cached_evaluations(evaluations: Sequence[Evaluation]) -> list[int]:
    """Evaluations that may reuse what the evaluation before them computed.

    With one evaluation a step, every other one counted from the end, so the last is cached and an odd number of
    steps begins with two full ones. With several, the first of every step but the trajectory's first (the paper's
    shifted pattern, section 4.1): a cached inner stage would all but repeat the stage it is differenced with.
    """
    last = len(evaluations) - 1
    if all(e.stage == 0 for e in evaluations):
        return [k for k in range(1, last + 1) if (last - k) % 2 == 0]
    cached: list[int] = []
    for k in range(1, last + 1):
        if evaluations[k].stage == 0 and k - 1 not in cached:
            cached.append(k)
    return cached


def routed_evaluations(model: Denoiser, evaluations: Sequence[Evaluation]) -> list[Routed]:
    """The cached evaluations with their rows in the official layouts.

    U-ViT's rows count solver steps in execution order; DiT's, and everybody else's, count down to 0 at the last step.
    """
    from models.uvit import UViT

    steps = solver_steps(evaluations)
    ascending = isinstance(model, UViT)
    rows = {k: evaluations[k].step for k in cached_evaluations(evaluations)}
    return [Routed(k, step if ascending else steps - 1 - step) for k, step in rows.items()]
