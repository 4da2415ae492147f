"""What a library's run really is: our weights, something reused, and nothing that leaks into the next trajectory.

A library that hooks no module, or forgets to reset itself, would else look like a slow method or a bad one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.measure.timing.contenders import Contender, by_library, inputs
from bench.sampling.plain import Guidance
from methods.plan import Plan
from models.denoiser import Denoiser
from models.errors import InputError

if TYPE_CHECKING:
    from bench.measure.task import Task

TOLERANCE = 1e-5  # of the largest value, in float32


@dataclass(frozen=True)
class Examined:
    """`plan` is what the first batch of the timing computed; `facts` are stored with the result."""

    plan: Plan
    facts: dict[str, Any]


def examine(task: Task, model: Denoiser, contender: Contender) -> Examined | None:
    """Of a library's cell, before its samples and times. None for ours.

    Raises InputError where the library's network is another one than ours, where its caching reuses nothing, and where
    the second trajectory is not the first.
    """
    if contender.engine is None:
        return None
    who = contender.engine.name if contender.cache is None else f"{contender.cache.name} of {contender.engine.name}"
    batch = inputs(task, model, task.cell.protocol.timing.batch)
    difference = uncached_difference(contender, model, *batch)
    run = by_library(task.cell.model, model, contender)
    samples, computed = run.counted(*batch)
    check_computed(who, computed, cached=contender.cache is not None)
    check_again(who, samples, computed, *run.counted(*batch))
    facts = {
        "name": contender.engine.name,
        "versions": contender.engine.versions(),
        "difference": difference,
        "cause": cause_of(difference, task.settings.dtype, who),
        "branches_run": int(computed.sum()),
        "branches": computed.size,
    }
    return Examined(run.taken(), facts)


@torch.inference_mode()
def uncached_difference(contender: Contender, model: Denoiser, noise: Tensor, labels: Tensor) -> float:
    """Largest difference of the two networks' outputs, of the largest value, at the first, middle and last timestep."""
    assert contender.engine is not None
    network, timesteps = contender.engine.network(model), contender.sampler.evaluations(model.noise_schedule)
    y = Guidance(model, labels, 1.0 if not model.can_be_guided else 0.0, None).labels
    x = noise.repeat(len(y) // len(noise), 1, 1, 1)
    differences = []
    for k in sorted({0, len(timesteps) // 2, len(timesteps) - 1}):
        t = torch.full((len(x),), timesteps[k].timestep, dtype=torch.float32, device=x.device)
        differences.append(distance(contender.engine.evaluate(network, x, t, y), model(x, t, y)))
    return max(differences)


def cause_of(difference: float, dtype: str, who: str) -> str | None:
    """Why the outputs differ by more than rounding; None where they do not. Raises InputError where that is unknown."""
    if difference <= TOLERANCE:
        return None
    if dtype == "float32":
        raise InputError(
            f"{who}: not our network: uncached outputs differ by {difference:.1e} of the largest, allowed {TOLERANCE:g}"
        )
    return f"arithmetic in {dtype}, in another order"


def check_computed(who: str, computed: np.ndarray, cached: bool) -> None:
    """Raise InputError unless a cache reuses something, and an uncached run nothing."""
    if not computed[0].all():
        raise InputError(f"{who}: {int((~computed[0]).sum())} branches did not run at the first evaluation")
    if cached and computed.all():
        raise InputError(
            f"{who}: reused nothing, all {computed.size} branches ran: its hooks match no module, "
            "or this setting never reuses"
        )
    if not cached and not computed.all():
        raise InputError(f"{who}: {int((~computed).sum())} of {computed.size} branches did not run, uncached")


def check_again(who: str, samples: Tensor, computed: np.ndarray, samples_2: Tensor, computed_2: np.ndarray) -> None:
    """Raise InputError unless two trajectories from the same noise are the same."""
    difference = distance(samples_2, samples)
    if (computed != computed_2).any() or difference > TOLERANCE:
        raise InputError(
            f"{who}: leaks from one trajectory into the next: {int(computed.sum())} branches ran in the first, "
            f"{int(computed_2.sum())} in the second from the same noise; samples differ by {difference:.1e}"
        )


def distance(a: Tensor, b: Tensor) -> float:
    """Largest difference relative to the largest value of `b`; infinite where values are not finite."""
    ratio = float((a.double() - b.double()).abs().max() / b.double().abs().max())
    return ratio if np.isfinite(ratio) else float("inf")
