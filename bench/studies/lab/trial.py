"""A subject with one sampler: errors of its samples to the exact solution, by any mask or plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.metrics.ode_error import ode_error
from bench.statistics.jackknife import quantile
from bench.studies.lab.exact import Solution, exact
from bench.studies.lab.masks import Cacheable, Mask
from bench.studies.lab.subject import Subject
from bench.suite.cells import Part
from methods.plan import Plan, from_mask


@dataclass(frozen=True)
class Trial:
    """Errors are of `seeds` seeds from `first` on; `coarse` as in lab.exact."""

    subject: Subject
    part: Part
    seeds: int
    coarse: int = 1
    first: int = 0

    @cached_property
    def cacheable(self) -> Cacheable:
        return Cacheable.of(self.subject, self.part.method)

    @property
    def solution(self) -> Solution:
        return exact(self.subject, self.part, self.seeds, self.coarse, self.first)

    def latents(self, plan: Plan | Mask | None, seeds: int | None = None) -> Tensor:
        """Of the first seeds, by a plan, a mask or uncached."""
        made = from_mask(plan) if isinstance(plan, np.ndarray) else plan
        return self.subject.latents(self.part.method, made, range(self.first, self.first + (seeds or self.seeds)))

    def errors(self, plan: Plan | Mask | None) -> list[float]:
        """Relative L2 error to the exact solution of every seed."""
        return self.solution.errors(self.latents(plan)).tolist()


def mean_error(errors: Sequence[float], resolution: float) -> dict[str, float]:
    """`ode_error` as value, low and high."""
    error = ode_error(np.array(errors), resolution)
    return {"value": error["ode_error"], "low": error["ode_error_low"], "high": error["ode_error_high"]}


def mean_of(values: NDArray[np.float64]) -> dict[str, float]:
    """The mean of paired differences, or of errors, [n] of n seeds with Student's interval: value, low, high."""
    mean, half = float(values.mean()), quantile(len(values)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return {"value": mean, "low": mean - half, "high": mean + half}
