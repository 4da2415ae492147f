"""TeaCache: reuse the residual of the stack while its modulated input has changed little (arXiv 2411.19108)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.calibration import Calibrator, calibration_file, cost, expect_fits, numbers, read_calibration
from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import OFFSET, Plan, Span
from methods.policy import Decisions, Look, Policy
from models.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from models.denoiser import Denoiser
    from models.structure import Structure

DEGREE = 4  # of the fitted polynomial


class TeaCache(CacheMethod):
    """Relative changes of the first block's modulated input, through a polynomial, add up; while the sum is below
    `threshold` what all blocks added last is added again. The first and the last evaluation are computed.

    `coefficients`, highest power first, is a list or a file of `ditbench calibrate teacache`, which fits the change of
    the output to that of the input; the identity by default. Decided for the whole batch. No code of the authors' runs
    class-conditional DiT: this follows the paper's text.
    """

    name = "teacache"
    title = "TeaCache"
    parameters = {
        "threshold": Parameter(float, 0.1, 0.0, 1e6, help="sum of changes that is still reused"),
        "coefficients": Parameter(object, help="list, highest power first, or a calibration; default: the identity"),
    }
    tiny = {"threshold": 0.9}
    exact = {"threshold": 0.0}
    threshold: float
    coefficients: Any
    training: dict[str, Any] | None = None

    def validate(self) -> None:
        """Reads the polynomial, highest power first. Raises InputError where it is no list of finite numbers."""
        self.stored: dict[str, Any] | None = None
        value = [1.0, 0.0] if self.coefficients is None else self.coefficients
        if isinstance(value, (str, Path, dict)):
            self.stored = read_calibration(self.name, value)
            self.training = cost(self.stored)
            value = self.stored["data"].get("coefficients")
        source = self.stored["source"] if self.stored else "teacache"
        if not isinstance(value, (list, tuple)) or not value:
            raise InputError(f"{source}: 'coefficients' must be a list of numbers")
        checked = {"source": source, "data": {"coefficients": list(value)}}
        self.polynomial = tuple(numbers(checked, "coefficients", len(value)))

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The calibration's file, on which a result depends."""
        return [calibration_file(self.name, self.coefficients)] if isinstance(self.coefficients, (str, Path)) else []

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the calibration is for another model or sampler."""
        if self.stored is not None:
            expect_fits(self.stored, model, sampler)
        count = len(sampler.evaluations(model.noise_schedule))
        policy = InputChange(model.num_branches, self.threshold, self.polynomial)
        return Plan(model.num_branches, ((),) * count, {"training": self.training}, policy=policy)

    @staticmethod
    def calibrator(model: Denoiser, evaluations: int) -> Calibrator:
        """What fits the polynomial, for `ditbench calibrate`."""
        return Changes()


@dataclass(frozen=True)
class InputChange(Policy):
    branches: int
    threshold: float
    polynomial: tuple[float, ...]

    @property
    def points(self) -> tuple[int, ...]:
        """Before the first block."""
        return (0,)

    @property
    def slots(self) -> tuple[Span, ...]:
        """The offset of all blocks."""
        return (Span(0, self.branches, OFFSET),)

    def remembered_bytes(self, model: Structure, value_bytes: int) -> int:
        """The modulated input."""
        tokens, width = model.token_shape()
        return tokens * width * value_bytes

    def begin(self, evaluations: int) -> Decisions:
        """The sum of one trajectory."""
        return InputChangeDecisions(self, evaluations)


class InputChangeDecisions(Decisions):
    def __init__(self, policy: InputChange, evaluations: int) -> None:
        self.policy, self.last = policy, evaluations - 1
        self.before: Tensor | None = None
        self.total = 0.0

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Add polynomial(relative change of the first input); reuse while the sum is below the threshold."""
        now, before = look.branch_input(0), self.before
        self.before = now
        if before is not None:
            self.total += float(np.polyval(self.policy.polynomial, change(now, before)))
        if before is None or k == self.last or not self.total < self.policy.threshold:  # NaN: compute
            self.total = 0.0
            return ()
        return self.policy.slots


def change(now: Tensor, before: Tensor) -> float:
    """mean|now - before| / mean|before|"""
    return float((now - before).abs().mean() / before.abs().mean())


@dataclass(frozen=True)
class Changes(Calibrator):
    """Pairs of the relative changes of the first block's modulated input and of the network's output."""

    measured: list[tuple[float, float]] = field(default_factory=list, compare=False)

    @property
    def points(self) -> tuple[int, ...]:
        """Before the first block."""
        return (0,)

    def begin(self, evaluations: int) -> Decisions:
        """Measure one trajectory more."""
        return ChangePairs(self.measured)

    def result(self) -> dict[str, Any]:
        """Least squares polynomial of the output's change in the input's, highest power first.

        Raises InputError below two pairs: a batch gives one at its third evaluation, and at each further one.
        """
        if len(self.measured) < 2:
            raise InputError(
                f"teacache: {len(self.measured)} changes between evaluations were seen, expected at least 2"
            )
        pairs = np.array(self.measured)
        degree = min(DEGREE, max(1, len(pairs) - 1))
        return {"coefficients": np.polyfit(pairs[:, 0], pairs[:, 1], degree).tolist()}


class ChangePairs(Decisions):
    def __init__(self, measured: list[tuple[float, float]]) -> None:
        self.measured = measured
        self.inputs: list[Tensor] = []
        self.output: Tensor | None = None

    def decide(self, k: int, point: int, look: Look) -> Sequence[Span]:
        """Note how much input and output changed between the last two evaluations; nothing is reused."""
        output = None if look.output is None else look.output[:, : look.x.shape[1]].clone()
        if output is not None and self.output is not None and len(self.inputs) == 2:
            self.measured.append((change(self.inputs[1], self.inputs[0]), change(output, self.output)))
        self.inputs = [*self.inputs, look.branch_input(0)][-2:]
        self.output = output
        return ()
