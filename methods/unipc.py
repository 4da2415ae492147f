"""UniPC: a predictor and a corrector of any order from one evaluation a step (Zhao et al., arXiv 2302.04867)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.dpm_prediction import PREDICTIONS, to_data, to_noise
from methods.method import Evaluation, Parameter, Sampler
from methods.spacing import SIGMA_MIN, ZERO, Grid, multistep_grid, spacing_parameter
from models.errors import InputError
from models.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from methods.method import Denoise, StepNoise


class UniPC(Sampler):
    """Integrates the predicted clean image, or the noise; each evaluation first corrects the step that led to it.

    As diffusers has it: the corrector has the order of the predictor before it, a corrector of order 1 and a predictor
    of order 2 use the constant ½, and the order falls to the number of steps left. B(h) is `bh1`, h, or `bh2`,
    e^h - 1. `bh1` and the noise need `final_sigma = "sigma_min"`: at zero noise their last step is infinite.
    """

    name = "unipc"
    title = "UniPC"
    parameters = {
        "steps": Parameter(int, 20, 1, 1000, help="one evaluation each"),
        "order": Parameter(int, 2, 1, 3, help="of the predictor"),
        "solver_type": Parameter(str, "bh2", choices=("bh1", "bh2"), help="the function B(h)"),
        "spacing": spacing_parameter(),
        "final_sigma": Parameter(str, ZERO, choices=(ZERO, SIGMA_MIN), help="noise level where the last step ends"),
        "sigmas": Parameter(str, "trained", choices=("trained", "karras", "lu"), help="spacing of the noise levels"),
        "lower_order_final": Parameter(bool, True, help="the order falls to the number of steps that are left"),
        "predict_x0": Parameter(bool, True, help="integrate the clean image, else the noise"),
        "uncorrected": Parameter(int, 0, 0, 1000, help="steps at the start whose corrector is left out"),
        "prediction": Parameter(str, "noise", choices=PREDICTIONS, help="what the network predicts"),
    }
    tiny = {"steps": 4}
    steps: int
    order: int
    solver_type: str
    spacing: str
    final_sigma: str
    sigmas: str
    lower_order_final: bool
    predict_x0: bool
    uncorrected: int
    prediction: str

    def validate(self) -> None:
        """Raises InputError for options whose step to zero noise would be infinite."""
        if self.final_sigma == ZERO and (self.solver_type == "bh1" or not self.predict_x0):
            what = "'solver_type' = 'bh1'" if self.predict_x0 else "'predict_x0' = false"
            raise InputError(f"unipc: {what} needs 'final_sigma' = 'sigma_min': its step to zero noise is infinite")

    def grid(self, schedule: NoiseSchedule) -> Grid:
        """Trained steps and noise levels of the chosen spacing."""
        return multistep_grid(schedule, self.spacing, self.steps, self.final_sigma, self.sigmas)

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """One a step: predictor and corrector share it."""
        return self.grid(schedule).evaluations(schedule)

    def sample(self, denoise: Denoise, x: Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> Tensor:
        """From noise x [B,C,H,W]: each prediction is corrected by the next evaluation; see Sampler.sample."""
        grid = self.grid(schedule)
        recent: list[Any] = []  # integrands, newest first
        before: Any = None
        order = 0
        for k in range(self.steps):
            # Integrand [B,C,H,W] at point k: the clean image or the noise.
            noise = to_noise(self.prediction, denoise(k, x)[:, : x.shape[1]], x, grid.alpha(k), grid.sigma(k))
            new = to_data(noise, x, grid.alpha(k), grid.sigma(k)) if self.predict_x0 else noise
            # Corrector: redo the step to point k, now with the integrand at k; no evaluation more.
            if k > self.uncorrected:
                x = self.update(grid, k - 1, order, before, recent, new)
            recent = [new, *recent][:3]
            order = min(self.order, self.steps - k if self.lower_order_final else self.order, k + 1)
            # Predictor: from the corrected x at point k to point k + 1.
            before = x
            x = self.update(grid, k, order, x, recent, None)
        return x

    def update(self, grid: Grid, k: int, order: int, x: Any, recent: list[Any], new: Any) -> Any:
        """x at point k + 1 from x at k, integrands at k, k - 1, … and, to correct it, the `new` one at k + 1."""
        # Step h in λ = log(α / σ), and the places r_i of the earlier points in units of it.
        sign = -1.0 if self.predict_x0 else 1.0
        h = grid.lam(k + 1) - grid.lam(k)
        z = sign * h
        ratios = [(grid.lam(k - i) - grid.lam(k)) / h for i in range(1, order)]
        weights = self.weights(z, ratios, corrects=new is not None)
        # First order: the integrand constant over the step, which is DDIM's.
        level = grid.alpha if self.predict_x0 else grid.sigma
        other = grid.sigma if self.predict_x0 else grid.alpha
        x = (other(k + 1) / other(k)) * x - (level(k + 1) * math.expm1(z)) * recent[0]
        # Higher orders: B(h) Σ_i w_i D_i / r_i, D_i the integrand at r_i less that at k; the corrector's last r is 1.
        scale = level(k + 1) * (z if self.solver_type == "bh1" else math.expm1(z))
        values = [*recent[1:order], *([] if new is None else [new])]
        for weight, ratio, value in zip(weights, [*ratios, 1.0], values, strict=False):
            x = x - (scale * weight / ratio) * (value - recent[0])
        return x

    def weights(self, z: float, ratios: list[float], corrects: bool) -> list[float]:
        """Weights of the divided differences: Σ_j r_j^(i-1) w_j = b_i (arXiv 2302.04867, eq. 5)."""
        order = len(ratios) + 1
        if order == 1:
            return [0.5] if corrects else []
        if order == 2 and not corrects:
            return [0.5]
        scale, phi, factorial, b = z if self.solver_type == "bh1" else math.expm1(z), math.expm1(z) / z - 1.0, 1.0, []
        for i in range(1, order + 1):
            b.append(phi * factorial / scale)
            factorial *= i + 1
            phi = phi / z - 1.0 / factorial
        # Vandermonde system [size,size] in the r_j; the predictor has no point at r = 1.
        nodes = np.array([*ratios, 1.0])
        size = order if corrects else order - 1
        matrix = np.array([nodes[:size] ** i for i in range(size)])
        return np.linalg.solve(matrix, np.array(b[:size])).tolist()
