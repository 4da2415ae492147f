"""How plans of `search` are found: what forecasts would do is measured on uncached trajectories, then they are chosen.

Samplers are linear in the network's outputs, x_end = … + Σ a_k ε_k, and the weights a_k are found by running the
sampler on unit outputs. So a forecast f_k in place of ε_k moves the sample by a_k (f_k - ε_k), had nothing after it
changed. A one-step sampler holds ε_k over a whole step, where (ε_k + ε_{k+1}) / 2 is right to second order; forecasts
and computed outputs are compared with that. The defects of one run of forecasts, from one computed evaluation to the
next, add up as vectors: a link of a chain. Those of all links add up as vectors too where the network's answers to them
are left out (greedy), and as squares where these turn them every way (dynamic programming).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.calibration import Calibration, Trajectories
from methods.method import Sampler
from methods.searching.chain import Chain, cheapest, greedy, total
from methods.searching.forecast import DYNAMIC, GREEDY, forecasting, marks
from models.errors import InputError
from models.noise_schedule import NoiseSchedule

Array = NDArray[np.float64]

SLOPES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
MAX_GAP = 10  # evaluations from one computed one to the next
RUNGS = 40  # plans are kept for every fortieth of the evaluations
TIMED, APART = 2, 5  # runs of two plans, the second of which computes so many evaluations more
LIMIT = 1e-6  # relative, of rounding


@dataclass(frozen=True)
class Finder(Calibration):
    """Finds both kinds of plans of `search` from the outputs of one uncached sampling."""

    slopes: tuple[float, ...] = SLOPES

    def measure(self, trajectories: Trajectories) -> dict[str, Any]:
        """`reuse`, and by the way of choosing the plans: `computed` evaluations, marked 1, `slope`, `error`."""
        sampler, schedule = trajectories.sampler, trajectories.model.noise_schedule
        weights, one_step = probe(sampler, schedule)
        outputs, count = recorded(trajectories), len(weights)
        kept = {round(count * rung / RUNGS) for rung in range(1, RUNGS + 1)}
        best: dict[str, dict[int, tuple[float, Chain, float]]] = {GREEDY: {}, DYNAMIC: {}}
        for slope in self.slopes:
            defects = link_defects(outputs, weights, slope, one_step)
            costs = np.square(defects).sum(axis=-1)
            for way, chains in ((GREEDY, greedy(defects)), (DYNAMIC, cheapest(costs))):
                for length in kept & chains.keys():
                    chain = chains[length]
                    cost = np.square(total(chain, defects)).sum() if way == GREEDY else total(chain, costs)
                    best[way][length] = min(best[way].get(length, (np.inf, chain, slope)), (float(cost), chain, slope))
        plans = {
            way: [
                {"computed": marks(chain, count), "slope": slope, "error": cost**0.5}
                for _, (cost, chain, slope) in sorted(found.items())
            ]
            for way, found in best.items()
        }
        return {"reuse": reuse_share(trajectories, count), **plans}


def probe(sampler: Sampler, schedule: NoiseSchedule) -> tuple[Array, bool]:
    """Weights float64 [E] of the outputs in the sample, and whether every step reads one output alone.

    The sampler runs once on zeros [E,1,1,1]; row k's network puts out 1 at evaluation k. Where steps read one output,
    what an earlier one has left is scaled alike in all rows. Raises InputError for a sampler that draws noise.
    """
    count = len(sampler.evaluations(schedule))
    seen = []

    def denoise(k: int, x: Tensor) -> Tensor:
        seen.append(x.flatten().double().numpy().copy())
        return torch.eye(count, dtype=x.dtype)[k].view(-1, 1, 1, 1)

    def draw(k: int) -> Tensor:
        raise InputError(f"search: '{sampler.name}' draws noise, so its samples have no exact solution to come near to")

    ends = sampler.sample(denoise, torch.zeros(count, 1, 1, 1, dtype=torch.float64), schedule, draw)
    weights = ends.flatten().double().numpy()
    return weights, all(_scaled_alike(seen[k][:k], after[:k]) for k, after in enumerate([*seen[1:], weights]))


def _scaled_alike(before: Array, after: Array) -> bool:
    """Whether one factor takes `before` [k] to `after` [k]."""
    if not before.any():
        return True
    factor = (before @ after) / (before @ before)
    return bool(np.abs(after - factor * before).max() <= LIMIT * np.abs(after).max())


def recorded(trajectories: Trajectories) -> Array:
    """Guided outputs of uncached trajectories, float64 [E, E]: as many numbers of each as their inner products need."""
    seen: dict[int, list[Tensor]] = {}
    channels = trajectories.model.latent_shape[0]

    def see(k: int, timestep: float, x: Tensor, out: Tensor) -> None:
        seen.setdefault(k, []).append(out[:, :channels].detach().cpu().double().flatten())

    images = len(trajectories(see=see))
    outputs = torch.stack([torch.cat(seen[k]) for k in sorted(seen)]).numpy() / images**0.5
    return np.asarray(np.linalg.qr(outputs.T, mode="r")).T


def link_defects(outputs: Array, weights: Array, slope: float, one_step: bool, max_gap: int = MAX_GAP) -> Array:
    """Defects of links as chain.py wants them, [E, G + 1, G + 1, D] from outputs [E, D] and weights [E]."""
    count, gaps = len(outputs), min(max_gap, len(outputs))
    after = np.concatenate([outputs[1:], outputs[-1:]])
    wanted = (outputs + after) / 2 if one_step else outputs
    defects = np.full((count, gaps + 1, gaps + 1, outputs.shape[1]), np.inf)
    for i in range(count):
        stop = min(i + gaps, count)
        ahead = np.arange(stop - i)[:, None]
        for gap in range(1, min(i, gaps) + 1) if i else (0,):
            rise = (outputs[i] - outputs[i - gap]) / max(gap, 1)  # an evaluation
            forecasts = outputs[i] + slope * ahead * rise  # of i itself, i + 1, …
            moved = weights[i:stop, None] * (forecasts - wanted[i:stop])
            defects[i, gap, 1 : stop - i + 1] = np.cumsum(moved, axis=0)
    return defects


def reuse_share(trajectories: Trajectories, count: int) -> float:
    """A forecast's time over that of a computed evaluation, from one plan with one computed and one with some more."""
    few, more = 1, min(1 + APART, count)
    spent = {few: np.inf, more: np.inf}  # seconds, the least of some runs
    for computed in (few, more) * TIMED:
        began = time.perf_counter()
        trajectories(forecasting(trajectories.model, count, range(computed), 1.0))
        spent[computed] = min(spent[computed], time.perf_counter() - began)
    saved = max((spent[more] - spent[few]) / max(more - few, 1), 1e-9)  # by a forecast
    forecast = max(spent[few] - few * saved, 0.0) / count
    return forecast / (saved + forecast)
