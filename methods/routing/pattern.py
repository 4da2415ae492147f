"""Which evaluations a router decides about, and which of its rows each of them reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.method import Evaluation
from models.errors import InputError

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


def routed_between(model: Denoiser, evaluations: Sequence[Evaluation], interval: int = 2) -> list[tuple[Routed, int]]:
    """The evaluations between full ones, one in `interval`, and for each the full one before it.

    With an interval of 2 those of `routed_evaluations`. Beyond, full ones are counted from the end too, so that the
    last period is whole, and the first evaluation is full. Raises InputError beyond 2 where steps have inner stages.
    """
    from models.uvit import UViT

    if interval == 2:
        return [(routed, routed.evaluation - 1) for routed in routed_evaluations(model, evaluations)]
    if any(e.stage for e in evaluations):
        raise InputError(f"a router with an interval of {interval} needs a sampler with one evaluation a step")
    last, full, between = len(evaluations) - 1, 0, []
    for k in range(1, last + 1):
        if (last - k) % interval == interval - 1:
            full = k
        else:
            between.append((Routed(k, k if isinstance(model, UViT) else last - k), full))
    return between
