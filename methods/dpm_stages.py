"""Where the DPM-Solvers evaluate and what they do after each evaluation: a static list, known before sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from methods.dpm_schedule import LambdaSchedule, alpha
from methods.dpm_updates import MULTISTEP, SINGLESTEP, STAGE, Rule, linear_update

UNIFORM, LOG_SNR, QUADRATIC = "time_uniform", "logSNR", "time_quadratic"
FEW_STEPS = 10  # lower_order_final acts on multistep runs shorter than this
FEW_GRID_STEPS = 15  # and on diffusers' grids below this


@dataclass(frozen=True)
class Stage:
    """One evaluation at `time`, then x = scale * (x at the step's start) + Σ_i weights[i] D_i, D_0 the newest."""

    time: float
    lam: float  # λ at `time`
    step: int
    index: int  # within the step
    scale: float
    weights: tuple[float, ...]
    ends_step: bool = True


@dataclass(frozen=True)
class Integral:
    """The integral that is solved: over u = sign * λ on a schedule, with the published or the exact φ_2."""

    schedule: LambdaSchedule
    sign: int  # 1: of the noise; -1: of the clean image
    solver_type: str = "dpmsolver"  # or "taylor"

    def lambdas(self, times: Sequence[float]) -> list[float]:
        """λ at each of the times."""
        return [self.schedule.to_lambda(t) for t in times]

    def update(self, rule: Rule, lambdas: Sequence[float], target: float) -> tuple[float, list[float]]:
        """Scale and weights from the nodes `lambdas` to λ = target."""
        return linear_update(rule, [self.sign * lam for lam in lambdas], self.sign * target)


def time_grid(schedule: LambdaSchedule, skip_type: str, start: float, end: float, steps: int) -> list[float]:
    """`steps` + 1 times from `start` down to `end`, even in t, in √t or in λ."""
    if skip_type == UNIFORM:
        return np.linspace(start, end, steps + 1).tolist()
    if skip_type == QUADRATIC:
        return (np.linspace(start**0.5, end**0.5, steps + 1) ** 2).tolist()
    lambdas = np.linspace(schedule.to_lambda(start), schedule.to_lambda(end), steps + 1)
    return [schedule.to_time(lam) for lam in lambdas.tolist()]


def multistep(integral: Integral, times: Sequence[float], order: int, lower_order_final: bool) -> list[Stage]:
    """One evaluation a step; the order grows with the history, and falls again at the end of short runs."""
    steps, lambdas = len(times) - 1, integral.lambdas(times)
    lowered = lower_order_final and steps < FEW_STEPS
    stages = []
    for k in range(steps):
        nodes = min(order, k + 1, steps - k if lowered else order)
        newest_first = lambdas[k - nodes + 1 : k + 1][::-1]
        scale, weights = integral.update(MULTISTEP[integral.solver_type][nodes], newest_first, lambdas[k + 1])
        stages.append(Stage(times[k], lambdas[k], k, 0, scale, tuple(weights)))
    return stages


def singlestep(integral: Integral, times: Sequence[float], orders: Sequence[int], inner: str) -> list[Stage]:
    """Runge-Kutta-like steps between `times`; a step of order p evaluates at p times of the `inner` grid."""
    stages = []
    for k, order in enumerate(orders):
        grid = time_grid(integral.schedule, inner, times[k], times[k + 1], order)
        lambdas = integral.lambdas(grid)
        for i in range(order):
            last = i == order - 1
            rule = SINGLESTEP[integral.solver_type][order] if last else STAGE[i + 1]
            scale, weights = integral.update(rule, lambdas[: i + 1], lambdas[i + 1])
            stages.append(Stage(grid[i], lambdas[i], k, i, scale, tuple(reversed(weights)), last))
    return stages


def few_orders(steps: int, order: int, lowered: bool) -> list[int]:
    """diffusers' orders of a singlestep run of one evaluation a step: 1, 2, 3, 1, 2, 3, … with low ones at the end."""
    whole, rest = divmod(steps, order)
    block = list(range(1, order + 1))
    if not lowered or order == 1:
        return block * whole + block[:rest]
    return block * whole + block[:rest] if rest else block * (whole - 1) + [*block[:-1], 1]


def on_grid_singlestep(integral: Integral, lambdas: Sequence[float], orders: Sequence[int]) -> list[Stage]:
    """One evaluation at each of `lambdas` but the last; a step of order p starts from the point p - 1 before."""
    stages = []
    for k, order in enumerate(orders):
        nodes = lambdas[k - order + 1 : k + 1]
        scale, weights = integral.update(SINGLESTEP[integral.solver_type][order], nodes, lambdas[k + 1])
        ends = k + 1 == len(orders) or orders[k + 1] == 1
        stages.append(Stage(0.0, lambdas[k], k, 0, scale, tuple(reversed(weights)), ends))
    return stages


def on_grid_multistep(integral: Integral, lambdas: Sequence[float], order: int, lower_order_final: bool) -> list[Stage]:
    """diffusers' multistep on a grid that may end without noise, to which the last step is then of first order."""
    steps, stages = len(lambdas) - 1, []
    for k in range(steps):
        lowered = lower_order_final and steps < FEW_GRID_STEPS
        last = 1 if np.isinf(lambdas[k + 1]) else order
        nodes = min(order, k + 1, last, steps - k if lowered else order)
        newest_first = lambdas[k - nodes + 1 : k + 1][::-1]
        scale, weights = integral.update(MULTISTEP[integral.solver_type][nodes], newest_first, lambdas[k + 1])
        stages.append(Stage(0.0, lambdas[k], k, 0, scale, tuple(weights)))
    return stages


def singlestep_orders(evaluations: int, order: int) -> list[int]:
    """Orders of the steps that use up exactly `evaluations`, lower ones last (2206.00927, section 3.3).

    Third order always ends on a lower one, which steadies the last step.
    """
    if order == 3 and evaluations % 3 == 0:
        return [3] * (evaluations // 3 - 1) + [2, 1]
    rest = evaluations % order
    return [order] * (evaluations // order) + [rest] * (rest > 0)


def singlestep_times(
    schedule: LambdaSchedule, skip_type: str, start: float, end: float, orders: Sequence[int]
) -> list[float]:
    """Boundaries of the steps: even in λ, else on a grid of one interval an evaluation, so that nodes fall on it."""
    if skip_type == LOG_SNR:
        return time_grid(schedule, skip_type, start, end, len(orders))
    grid = time_grid(schedule, skip_type, start, end, sum(orders))
    return [grid[i] for i in accumulate(orders, initial=0)]


def to_clean(integral: Integral, time: float, step: int) -> Stage:
    """A last evaluation whose prediction of the clean image is the sample: (x - σ ε) / α, or D itself."""
    lam = integral.schedule.to_lambda(time)
    if integral.sign < 0:
        return Stage(time, lam, step, 0, 0.0, (1.0,))
    return Stage(time, lam, step, 0, 1.0 / alpha(lam), (-alpha(-lam) / alpha(lam),))
