"""The exact solution of a model's own sampling ODE, for the first seeds of a suite: what few steps and caches approach.

It is the latents of DPM-Solver++ of order 3 with 200 steps, guidance included, made once a model and kept beside the
run's samples under the key of everything they depend on. How exact it is, is measured: the larger of its distances to
400 steps and to DDIM with 1000, two other roads to the same end. Nothing smaller than that is ever claimed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bench.measure.samples.latents import Latents
from bench.quality.metrics.ode_error import ode_error
from bench.quality.metrics.paired import latent_error
from bench.suite.cells import Cell
from bench.suite.part import Part
from methods.dpm_prediction import PREDICTIONS
from methods.method import Sampler
from models.denoiser import Denoiser
from models.errors import InputError

SEEDS = 48  # enough to tell nearly every pair of settings apart: errors are of the same seeds
CHECKED = 4  # of them, by which its own error is found
SOLVER = ("dpm-solver++", {"steps": 200, "order": 3})
CHECKS = (("dpm-solver++", {"steps": 400, "order": 3}), ("ddim", {"steps": 1000}))

KNOWN = ", ".join(PREDICTIONS)

Open = Callable[[Cell], Latents]  # the latents of a cell that is in no suite


@dataclass(frozen=True)
class ExactSolution:
    """`cell` is any of the model's; `open` keeps latents where those of the suite's cells are not."""

    cell: Cell
    open: Open

    @property
    def indices(self) -> range:
        return range(SEEDS)

    def latents(self) -> Tensor:
        """Float32 [seeds,C,H,W]. Raises as Latents.read does."""
        return self._of(*SOLVER, self.indices)

    def resolution(self) -> float:
        """Mean relative L2 distance to the farther of the checks: errors below it are not told from zero."""
        few = self.indices[:CHECKED]
        exact = self.latents()[: len(few)]
        return max(float(latent_error(self._of(*check, few), exact).mean()) for check in CHECKS)

    def error_of(self, latents: Tensor) -> dict[str, Any]:
        """`ode_error` of a cell's final latents [seeds,C,H,W] of the same seeds."""
        return ode_error(latent_error(latents, self.latents()), self.resolution())

    def _of(self, name: str, params: dict[str, Any], indices: range) -> Tensor:
        batch = min(self.cell.protocol.sampling_batch, len(indices))  # trajectories pad smaller batches
        rules = replace(self.cell.protocol, sampling_batch=batch)
        taken_for = predicted(self.cell.sampler.method)  # the same network, read as the cell's own sampler reads it
        stated = params if taken_for == "noise" else params | {"prediction": taken_for}
        return self.open(Cell(self.cell.model, Part(name, stated), None, rules)).read(indices)


def predicted(sampler: Sampler) -> str:
    """What a sampler takes the network's output for."""
    return sampler.prediction or "noise"


class _Drawn(Exception):
    """A sampler asked for noise of its own."""


def has_none(sampler: Sampler, model: Denoiser) -> str | None:
    """Why a sampler's samples have no exact solution, in a phrase; None where they have one."""
    if predicted(sampler) not in PREDICTIONS:
        return f"the sampler takes the output for {predicted(sampler)}, the exact solution is known for {KNOWN} alone"
    channels = getattr(model, "out_channels", model.latent_shape[0])
    noise = torch.zeros(1, *model.latent_shape)
    out = torch.zeros(1, channels, *model.latent_shape[1:])

    def draw(k: int) -> Tensor:
        raise _Drawn

    try:
        sampler.sample(lambda k, x: out, noise, model.noise_schedule, draw)
    except _Drawn:
        return "the sampler adds noise of its own: it solves no ODE"
    except InputError as error:
        return str(error)
    return None
