"""SmoothCache: skip a kind of branch for as long as its calibrated error stays small (arXiv 2411.10510)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.calibration import Calibrator, calibration_file, cost, expect_fits, is_number, read_calibration
from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, from_mask
from methods.policy import Decisions, Look
from methods.schedule import mask, read
from models.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser

KINDS = ("attn", "mlp")


class SmoothCache(CacheMethod):
    """A schedule for all attention and one for all MLP branches, from a file or from calibrated errors.

    `schedule` is a file or mapping in either published layout (methods/schedule.py). Else `calibration`, a file of
    `ditbench calibrate smoothcache`, holds for every evaluation the error of reusing it 1, 2, … evaluations later:
    from each computed one the longest run within `threshold` is skipped. The last evaluation is always computed.
    `lookahead` bounds the run; the published code looks 3 ahead.
    """

    name = "smoothcache"
    title = "SmoothCache"
    parameters = {
        "schedule": Parameter(object, help="JSON file or mapping in SmoothCache's layout"),
        "calibration": Parameter(object, help="file of `ditbench calibrate smoothcache`, or a shipped one's name"),
        "threshold": Parameter(float, None, 0.0, 1e6, help="largest error that is skipped; the paper's α"),
        "lookahead": Parameter(int, 3, 1, 20, help="most evaluations skipped in a row"),
    }
    schedule: Any
    calibration: Any
    threshold: float | None
    lookahead: int
    training: dict[str, Any] | None = None

    @classmethod
    def exact_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        return {"schedule": {}}

    @classmethod
    def tiny_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        count = len(sampler.evaluations(model.noise_schedule))
        return {"schedule": {"attn": [1] * count, "mlp": [int(k % 2 == 0) for k in range(count)]}}

    def validate(self) -> None:
        """Raises InputError unless there is either a schedule or a threshold with its calibration."""
        if (self.schedule is None) == (self.calibration is None):
            raise InputError("smoothcache: give 'schedule', or 'calibration' with 'threshold'")
        if (self.calibration is None) != (self.threshold is None):
            raise InputError("smoothcache: 'threshold' belongs to 'calibration'")
        if self.calibration is not None:
            self.stored = read_calibration(self.name, self.calibration)
            self.training = cost(self.stored)
        elif isinstance(self.schedule, Mapping):
            self.content, self.source = dict(self.schedule), "smoothcache: 'schedule'"
        else:
            self.content, self.source = read(self.schedule), str(self.schedule)

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The schedule's or the calibration's file, on which a result depends."""
        if isinstance(self.calibration, (str, Path)):
            return [calibration_file(self.name, self.calibration)]
        return [Path(self.schedule)] if isinstance(self.schedule, (str, Path)) else []

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the schedule or the calibration does not fit the denoiser and the sampler."""
        count = len(sampler.evaluations(model.noise_schedule))
        if self.calibration is not None:
            expect_fits(self.stored, model, sampler)
            self.source = self.stored["source"]
            self.content = {kind: skip_runs(self.errors(kind, count), self.threshold or 0.0, count) for kind in KINDS}
        notes = {"schedule": self.source, "training": self.training}
        return Plan(model.num_branches, from_mask(mask(self.content, model.num_blocks, count, self.source)).rows, notes)

    def errors(self, kind: str, count: int) -> list[list[float]]:
        """Mean errors of a kind of branch: row j, entry i is of evaluation i + j + 1 against i."""
        rows = self.stored["data"].get(kind)
        fits = isinstance(rows, list) and all(
            isinstance(row, list) and len(row) == count - 1 - j and all(map(is_number, row))
            for j, row in enumerate(rows)
        )
        if not fits or not rows:
            raise InputError(f"{self.stored['source']}: '{kind}' must be lists of {count - 1}, {count - 2}, … numbers")
        return rows[: self.lookahead]

    @staticmethod
    def calibrator(model: Denoiser, evaluations: int) -> Calibrator:
        """What measures the errors, for `ditbench calibrate`. Raises InputError where there is nothing to reuse."""
        if evaluations < 2:
            raise InputError("smoothcache: one evaluation has nothing to reuse, expected at least two")
        return Errors(branches=model.num_branches, evaluations=evaluations)


def skip_runs(errors: Sequence[Sequence[float]], threshold: float, count: int) -> list[int]:
    """1 to compute and 0 to skip, `count` evaluations: after each computed one the longest run within the threshold."""
    row, k = [0] * count, 0
    while k < count:
        row[k] = 1
        within = [j + 1 for j, e in enumerate(errors) if k < len(e) and e[k] <= threshold]
        k += 1 + max(within, default=0)
    row[-1] = 1
    return row


@dataclass(frozen=True)
class Errors(Calibrator):
    """Σ|F_i - F_{i+k}| / Σ|F_{i+k}| over the whole batch, both halves, for every branch and k = 1 … lookahead."""

    branches: int
    evaluations: int
    lookahead: int = 3
    measured: list[np.ndarray] = field(default_factory=list, compare=False)  # float64 [branches, lookahead, E - 1] each

    @property
    def points(self) -> tuple[int, ...]:
        """Before every branch."""
        return tuple(range(self.branches))

    def begin(self, evaluations: int) -> Decisions:
        """Measure one trajectory more."""
        return Differences(self)

    def mean(self) -> np.ndarray:
        """float64 [branches, lookahead, E - 1], NaN where an evaluation lies beyond the end."""
        return np.mean(self.measured, axis=0)

    def result(self) -> dict[str, Any]:
        """By kind of branch, the mean over blocks: [j][k] is the error of evaluation k's output j + 1 later."""
        rows = self.mean().reshape(-1, 2, self.lookahead, self.evaluations - 1).mean(axis=0)
        return {
            kind: [
                rows[place, j, : self.evaluations - 1 - j].tolist()
                for j in range(min(self.lookahead, self.evaluations - 1))
            ]
            for place, kind in enumerate(KINDS)
        }


class Differences(Decisions):
    def __init__(self, errors: Errors) -> None:
        shape = errors.branches, errors.lookahead, errors.evaluations - 1
        self.table = np.full(shape, np.nan)
        self.recent: dict[int, list[Tensor]] = {}
        errors.measured.append(self.table)

    def decide(self, k: int, point: int, look: Look) -> Sequence[Any]:
        """Compare the branch's output [N,T,D] with the last ones; nothing is reused."""
        now, before = look.output_of(point), self.recent.get(point, [])
        for j, then in enumerate(before):  # newest first
            difference = float((then - now).abs().sum())
            self.table[point, j, k - 1 - j] = difference / float(now.abs().sum())
        self.recent[point] = [now, *before][: self.table.shape[1]]
        return ()
