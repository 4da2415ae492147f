"""The exact solution of a subject's own sampling ODE, at its guidance; sampled once a process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.measure.samples.exact_solution import ExactSolution, has_none, predicted
from bench.quality.metrics.ode_error import ode_error
from bench.quality.metrics.paired import latent_error
from bench.studies.lab.subject import BATCH, Subject
from bench.suite.cells import Cell, Part
from bench.suite.protocol import Protocol
from models.denoiser import Denoiser
from models.errors import InputError


@dataclass(frozen=True)
class Solution:
    """Final latents [seeds,C,H,W] of consecutive seeds, and how well they are known."""

    latents: Tensor
    resolution: float

    def errors(self, latents: Tensor) -> NDArray[np.float64]:
        """Relative L2 errors of latents [N,C,H,W] of the first seeds, or more: float64 [seeds]."""
        return latent_error(latents[: len(self.latents)], self.latents)

    def error(self, latents: Tensor) -> dict[str, Any]:
        """`ode_error` with its interval and the errors of all seeds."""
        return ode_error(self.errors(latents), self.resolution)


@dataclass(frozen=True)
class OtherSeeds(ExactSolution):
    """Of other seeds than a suite's, from `first` on; solver and checks take `coarse` times fewer steps."""

    seeds: int
    coarse: int = 1
    first: int = 0

    @property
    def indices(self) -> range:
        return range(self.first, self.first + self.seeds)

    def _of(self, name: str, params: dict[str, Any], indices: range) -> Tensor:
        return super()._of(name, params | {"steps": params["steps"] // self.coarse}, indices)


@dataclass(frozen=True)
class SubjectLatents:
    """Latents of one cell, sampled as they are read."""

    subject: Subject
    cell: Cell

    def read(self, indices: range) -> Tensor:
        return self.subject.latents(self.cell.sampler.method, None, indices)


_known: WeakKeyDictionary[Denoiser, dict[Any, Solution]] = WeakKeyDictionary()


def exact(subject: Subject, part: Part, seeds: int, coarse: int = 1, first: int = 0) -> Solution:
    """What a sampler's samples come near to. Raises InputError where they have no exact solution."""
    if reason := has_none(part.method, subject.model):
        raise InputError(f"{part.name}: {reason}")
    known, key = _known.setdefault(subject.model, {}), (subject.guidance, predicted(part.method), seeds, coarse, first)
    if key not in known:
        cell = Cell(subject.spec.name, part, None, Protocol(sampling_batch=BATCH))
        solution = OtherSeeds(cell, partial(SubjectLatents, subject), seeds, coarse, first)  # type: ignore[arg-type]
        known[key] = Solution(solution.latents(), solution.resolution())
    return known[key]
