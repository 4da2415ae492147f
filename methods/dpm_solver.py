"""DPM-Solver (Lu et al., arXiv 2206.00927) and DPM-Solver++ (arXiv 2211.01095)."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from methods.dpm_prediction import PREDICTIONS, dynamic_threshold, to_data, to_noise
from methods.dpm_schedule import MIN_LAMBDA, alpha, lambda_schedule
from methods.dpm_stages import (
    LOG_SNR,
    QUADRATIC,
    UNIFORM,
    Integral,
    Stage,
    few_orders,
    multistep,
    on_grid_multistep,
    on_grid_singlestep,
    singlestep,
    singlestep_orders,
    singlestep_times,
    time_grid,
    to_clean,
)
from methods.method import Evaluation, Parameter, Sampler
from methods.spacing import OFFICIAL, SIGMA_MIN, SPACINGS, ZERO, Grid, multistep_grid
from models.errors import InputError
from models.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from methods.method import Denoise, StepNoise

MULTISTEP, SINGLESTEP, FIXED = "multistep", "singlestep", "singlestep_fixed"
# The older solver that U-ViT ships: uniform in time, and the log-SNR is not clipped.
UVIT_SINGLESTEP, UVIT_FAST = "uvit-singlestep", "uvit-fast"
VARIANTS = {MULTISTEP: "M", SINGLESTEP: "S", FIXED: "S, fixed", UVIT_SINGLESTEP: "S, U-ViT", UVIT_FAST: "S, U-ViT fast"}


class DPMSolver(Sampler):
    """Exponential integrator of the predicted noise."""

    name = "dpm-solver"
    title = "DPM-Solver"
    sign: ClassVar[int] = 1  # of λ in the integration variable
    parameters = {
        "steps": Parameter(int, 20, 1, 1000, help="evaluations requested; the singlestep_fixed variants round down"),
        "order": Parameter(int, None, 1, 3, help="default 2; 3 for uvit-fast"),
        "variant": Parameter(str, MULTISTEP, choices=(MULTISTEP, SINGLESTEP, FIXED)),
        "skip_type": Parameter(str, UNIFORM, choices=(UNIFORM, LOG_SNR, QUADRATIC), help="spacing of the times"),
        "lower_order_final": Parameter(bool, True, help="multistep below 10 steps ends on lower orders"),
        "solver_type": Parameter(str, "dpmsolver", choices=("dpmsolver", "taylor"), help="published or exact φ_2"),
        "denoise_to_zero": Parameter(bool, False, help="one more evaluation returns the predicted clean image"),
        "t_start": Parameter(float, 1.0, 0.01, 1.0, help="continuous time at which x starts"),
        "t_end": Parameter(float, 0.0, 0.0, 1.0, help="continuous time to stop at, but not before the first step's"),
        "prediction": Parameter(str, "noise", choices=PREDICTIONS, help="what the network predicts"),
        "spacing": Parameter(
            str, None, choices=SPACINGS, help="official, the default: 'skip_type'; or diffusers' grid"
        ),
        "final_sigma": Parameter(str, None, choices=(ZERO, SIGMA_MIN), help="where diffusers' grid ends; default zero"),
        "sigmas": Parameter(str, None, choices=("trained", "karras", "lu"), help="noise levels of diffusers' grid"),
    }
    tiny = {"steps": 4}
    steps: int
    order: int
    variant: str
    skip_type: str
    lower_order_final: bool
    solver_type: str
    denoise_to_zero: bool
    t_start: float
    t_end: float
    prediction: str
    spacing: str | None
    final_sigma: str | None
    sigmas: str | None

    @property
    def on_grid(self) -> bool:
        """Whether the solver runs on one of diffusers' grids of trained steps."""
        return self.spacing not in (None, OFFICIAL)

    def validate(self) -> None:
        """Fills in the default order. Raises InputError where variant, steps, times and spacing do not fit together."""
        self.validate_grid()
        if self.order is None:
            self.order = self.params["order"] = 3 if self.variant == UVIT_FAST else 2
        if self.t_end >= self.t_start:
            raise InputError(f"{self.name}: 't_end' = {self.t_end:g} must be below 't_start' = {self.t_start:g}")
        if self.variant in (FIXED, UVIT_SINGLESTEP) and self.steps < self.order:
            raise InputError(f"{self.name}: '{self.variant}' needs 'steps' >= 'order', got {self.steps} < {self.order}")
        if self.variant in (UVIT_SINGLESTEP, UVIT_FAST) and self.skip_type != UNIFORM:
            raise InputError(f"{self.name}: '{self.variant}' needs 'skip_type' = '{UNIFORM}', got '{self.skip_type}'")

    def validate_grid(self) -> None:
        """Raises InputError where options of diffusers' grids are given without one, or one cannot be used."""
        if not self.on_grid and (self.final_sigma or self.sigmas):
            raise InputError(
                f"{self.name}: 'final_sigma' and 'sigmas' need 'spacing' = 'leading', 'linspace' or 'trailing'"
            )
        if self.on_grid and self.variant not in (MULTISTEP, SINGLESTEP):
            raise InputError(f"{self.name}: '{self.variant}' has no 'spacing' = '{self.spacing}'")
        if self.on_grid and self.sign > 0 and self.final_sigma != SIGMA_MIN:
            raise InputError(f"{self.name}: 'spacing' = '{self.spacing}' needs 'final_sigma' = 'sigma_min'")

    def grid(self, schedule: NoiseSchedule) -> Grid:
        """Trained steps and noise levels of diffusers' grid."""
        return multistep_grid(
            schedule, str(self.spacing), self.steps, self.final_sigma or ZERO, self.sigmas or "trained"
        )

    @property
    def label(self) -> str:
        """`DPM-Solver++(2M)-20`: order and variant, then what differs from the defaults."""
        marks = [f"{self.order}{VARIANTS[self.variant]}"]
        marks += [self.skip_type] * (self.skip_type != UNIFORM) + ["taylor"] * (self.solver_type == "taylor")
        marks += ["denoised"] * self.denoise_to_zero
        return f"{self.title}({', '.join(marks)})-{self.steps}"

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """One a stage of the solver, in execution order."""
        if self.on_grid:
            return self.grid(schedule).evaluations(schedule)
        integral = self.integral(schedule)
        network_time = integral.schedule.network_time
        return [Evaluation(network_time(s.time), s.step, s.index) for s in self.stages(integral)]

    def sample(self, denoise: Denoise, x: Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> Tensor:
        """From noise x [B,C,H,W]: x = scale * start + Σ weight * integrand at every stage; see Sampler.sample."""
        start = x
        recent: deque[Tensor] = deque(maxlen=3)  # integrands, newest first; no update looks further back
        stages = self.grid_stages(schedule) if self.on_grid else self.stages(self.integral(schedule))
        for k, stage in enumerate(stages):
            recent.appendleft(self.integrand(denoise(k, x)[:, : x.shape[1]], x, stage.lam))
            x = stage.scale * start
            for weight, d in zip(stage.weights, recent, strict=False):
                x.add_(d, alpha=weight)
            if stage.ends_step:
                start = x
        return x

    def integrand(self, out: Tensor, x: Tensor, lam: float) -> Tensor:
        """What the solver integrates, [B,C,H,W], from the network's output at λ."""
        return to_noise(self.prediction, out, x, alpha(lam), alpha(-lam))

    def integral(self, schedule: NoiseSchedule) -> Integral:
        """The integral over the schedule's λ; a continuous LambdaSchedule is taken as it is."""
        min_lambda = -math.inf if self.variant in (UVIT_SINGLESTEP, UVIT_FAST) else MIN_LAMBDA
        return Integral(lambda_schedule(schedule, min_lambda), self.sign, self.solver_type)

    def stages(self, integral: Integral) -> list[Stage]:
        """Every evaluation and what follows it."""
        end = max(self.t_end, integral.schedule.first_time)
        stages = self.solver_stages(integral, self.t_start, end)
        if self.denoise_to_zero:
            stages.append(to_clean(integral, end, stages[-1].step + 1))
        return stages

    def grid_stages(self, schedule: NoiseSchedule) -> list[Stage]:
        """The stages on one of diffusers' grids."""
        grid, integral = self.grid(schedule), Integral(lambda_schedule(schedule), self.sign, self.solver_type)
        lambdas = [grid.lam(k) for k in range(self.steps + 1)]
        if self.variant == MULTISTEP:
            return on_grid_multistep(integral, lambdas, self.order, self.lower_order_final)
        lowered = self.lower_order_final or grid.sigmas[-1] == 0 or self.steps % self.order > 0
        return on_grid_singlestep(integral, lambdas, few_orders(self.steps, self.order, lowered))

    def solver_stages(self, integral: Integral, start: float, end: float) -> list[Stage]:
        """The stages of the variant, from time `start` down to `end`."""
        if self.variant == MULTISTEP:
            times = time_grid(integral.schedule, self.skip_type, start, end, self.steps)
            return multistep(integral, times, self.order, self.lower_order_final)
        if self.variant in (SINGLESTEP, UVIT_FAST):
            orders = singlestep_orders(self.steps, self.order)
            times = singlestep_times(integral.schedule, self.skip_type, start, end, orders)
            return singlestep(integral, times, orders, inner=self.skip_type)
        orders = [self.order] * (self.steps // self.order)
        times = time_grid(integral.schedule, self.skip_type, start, end, len(orders))
        inner = LOG_SNR if self.variant == UVIT_SINGLESTEP else self.skip_type  # U-ViT: nodes even in λ
        return singlestep(integral, times, orders, inner)


class DPMSolverPlusPlus(DPMSolver):
    """Exponential integrator of the predicted clean image; steadier under guidance."""

    name = "dpm-solver++"
    title = "DPM-Solver++"
    sign = -1
    parameters = DPMSolver.parameters | {
        "variant": Parameter(str, MULTISTEP, choices=tuple(VARIANTS)),
        "threshold": Parameter(float, 0.0, 0.0, 1.0, help="quantile of dynamic thresholding; 0: none"),
    }
    threshold: float

    def integrand(self, out: Tensor, x: Tensor, lam: float) -> Tensor:
        """The predicted clean image [B,C,H,W], thresholded where asked for."""
        clean = to_data(super().integrand(out, x, lam), x, alpha(lam), alpha(-lam))
        return dynamic_threshold(clean, self.threshold) if self.threshold else clean
