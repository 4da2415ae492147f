"""MagCache: skip the whole stack while the calibrated decay of its residual stays near one (arXiv 2506.09045)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.calibration import Calibrator, calibration_file, cost, expect_fits, numbers, read_calibration
from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import OFFSET, Plan, Span
from methods.policy import Decisions, Look
from models.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser


class MagCache(CacheMethod):
    """The residual of all blocks is reused while the accumulated error of its magnitude is at most `threshold`.

    Entry k of `ratios` is how much larger the residual at evaluation k is than at k - 1, measured once by `ditbench
    calibrate magcache`, or a list; lists of another length are taken at the nearest evaluations. After a computed
    evaluation each skipped one adds |1 - product of the ratios since|. The first `retention` of the trajectory is
    computed and at most `max_skips` in a row are skipped. No code of the authors' runs class-conditional DiT: this is
    diffusers' implementation, which wraps any transformer.
    """

    name = "magcache"
    title = "MagCache"
    parameters = {
        "ratios": Parameter(
            object, required=True, help="file of `ditbench calibrate`, a shipped one's name, or numbers"
        ),
        "threshold": Parameter(float, 0.06, 0.0, 1e6, help="largest accumulated error"),
        "max_skips": Parameter(int, 3, 0, 1000, help="most evaluations skipped in a row"),
        "retention": Parameter(float, 0.2, 0.0, 1.0, help="share of the trajectory computed at its start"),
    }
    tiny = {"ratios": [1.0, 0.99, 0.98], "threshold": 0.1}
    exact = {"ratios": [1.0], "max_skips": 0}
    ratios: Any
    threshold: float
    max_skips: int
    retention: float
    training: dict[str, Any] | None = None

    def validate(self) -> None:
        """Reads the calibration. Raises InputError where it holds no finite numbers."""
        if isinstance(self.ratios, (list, tuple)):
            self.stored: dict[str, Any] = {"source": "magcache: 'ratios'", "data": {"ratios": list(self.ratios)}}
            numbers(self.stored, "ratios", max(1, len(self.ratios)))
        else:
            self.stored = read_calibration(self.name, self.ratios)
            self.training = cost(self.stored)

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The calibration's file, on which a result depends."""
        return [calibration_file(self.name, self.ratios)] if isinstance(self.ratios, (str, Path)) else []

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the calibration is for another model or sampler."""
        count = len(sampler.evaluations(model.noise_schedule))
        expect_fits(self.stored, model, sampler)
        stored = self.stored["data"].get("ratios")
        if not isinstance(stored, list) or not stored:
            raise InputError(f"{self.stored['source']}: 'ratios' must be a list of numbers")
        length = self.stored.get("evaluations", len(stored))  # a list of one's own is of any length
        ratios = nearest(numbers(self.stored, "ratios", length), count)
        whole = (Span(0, model.num_branches, OFFSET),)
        rows = (whole if skip else () for skip in self.skips(ratios))
        return Plan(model.num_branches, tuple(rows), {"training": self.training})

    def skips(self, ratios: Sequence[float]) -> list[bool]:
        """Whether each evaluation is skipped."""
        kept = max(1, int(self.retention * len(ratios) + 0.5))
        product, error, run, skips = 1.0, 0.0, 0, []
        for k, ratio in enumerate(ratios):
            product, run = product * ratio, run + 1
            error += abs(1.0 - product)
            skips.append(k >= kept and error <= self.threshold and run <= self.max_skips)
            if not skips[-1]:
                product, error, run = 1.0, 0.0, 0
        return skips

    @staticmethod
    def calibrator(model: Denoiser, evaluations: int) -> Calibrator:
        """What measures the ratios, for `ditbench calibrate`."""
        return Magnitudes(model.num_branches)


def nearest(values: Sequence[float], count: int) -> list[float]:
    """`count` of the values, at evenly spread places rounded half to even."""
    if len(values) == count:
        return list(values)
    return [values[int(i)] for i in np.round(np.linspace(0, len(values) - 1, count))]


@dataclass(frozen=True)
class Magnitudes(Calibrator):
    """Mean over tokens and images of |R_k| / |R_{k-1}|, R the residual of all blocks; 1 at the first evaluation."""

    branches: int
    measured: list[list[float]] = field(default_factory=list, compare=False)

    @property
    def points(self) -> tuple[int, ...]:
        """Before the first and after the last block."""
        return 0, self.branches

    def begin(self, evaluations: int) -> Decisions:
        """Measure one trajectory more."""
        self.measured.append([])
        return Residuals(self.measured[-1])

    def result(self) -> dict[str, Any]:
        """The mean over trajectories, one number an evaluation."""
        return {"ratios": np.mean(self.measured, axis=0).tolist()}


class Residuals(Decisions):
    def __init__(self, ratios: list[float]) -> None:
        self.ratios = ratios
        self.before: Tensor | None = None

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Append the mean ratio of norms [N,T] of this residual to the one before; nothing is reused."""
        if point == 0:
            self.start = look.tokens.clone()
            return ()
        norms = (look.tokens - self.start).norm(dim=-1)  # [N,T]
        self.ratios.append(1.0 if self.before is None else float((norms / (self.before + 1e-8)).mean()))
        self.before = norms
        return ()
