"""Heun's second-order sampler in the noise level σ (Karras et al., arXiv 2206.00364, algorithm 1 without noise)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from methods.dpm_prediction import PREDICTIONS, to_noise
from methods.method import Evaluation, Parameter, Sampler
from methods.spacing import LEADING, RHO, Grid, even_points, karras, spacing_parameter, trained_sigmas
from models.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from methods.method import Denoise, StepNoise


class Heun(Sampler):
    """dX/dσ = ε for X = x / α: an Euler step, and where noise is left another evaluation that straightens it.

    2 N - 1 evaluations. Noise levels between trained steps are interpolated and the network receives fractional
    timesteps, as in diffusers.
    """

    name = "heun"
    title = "Heun"
    parameters = {
        "steps": Parameter(int, 10, 1, 1000, help="two evaluations each, one the last"),
        "spacing": spacing_parameter(),
        "sigmas": Parameter(str, "trained", choices=("trained", "karras"), help="spacing of the noise levels"),
        "prediction": Parameter(str, "noise", choices=PREDICTIONS, help="what the network predicts"),
    }
    tiny = {"steps": 3}
    rho = RHO
    steps: int
    spacing: str
    sigmas: str
    prediction: str

    def grid(self, schedule: NoiseSchedule) -> Grid:
        """Trained steps and noise levels of the chosen spacing."""
        table, index = trained_sigmas(schedule), np.arange(len(schedule))
        visited = np.array(even_points(self.spacing, len(schedule), self.steps))
        levels = np.interp(visited, index, table)
        if self.sigmas == "karras":
            levels = karras(levels[0], levels[-1], self.steps, self.rho)
            visited = np.interp(np.log(levels), np.log(table), index)
        return Grid(tuple(visited.tolist()), (*levels.tolist(), 0.0))

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """Two a step, one in the last: the slope at its start, and at its end."""
        grid, first = self.grid(schedule), schedule.first_timestep
        evaluations = [Evaluation(grid.steps[0] + first, 0)]
        for k in range(1, self.steps):
            evaluations += [Evaluation(grid.steps[k] + first, k - 1, 1), Evaluation(grid.steps[k] + first, k)]
        return evaluations

    def sample(self, denoise: Denoise, x: Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> Tensor:
        """From noise x [B,C,H,W] to the sample, each step by the mean of both slopes; see Sampler.sample."""
        grid, done = self.grid(schedule), 0
        if self.spacing != LEADING:
            x = grid.sigma(0) * x  # diffusers starts from x / α = σ x there
        for k in range(self.steps):
            step = grid.sigmas[k + 1] - grid.sigmas[k]  # h = σ_{k+1} - σ_k, below zero
            # In x = α X: x_{k+1} = (α_{k+1} / α_k) x_k + α_{k+1} h dX/dσ.
            start, ahead = grid.alpha(k + 1) / grid.alpha(k), grid.alpha(k + 1) * step
            slope = self.slope(denoise, done, k, grid, x)  # [B,C,H,W]; algorithm 1, line 4
            euler = start * x + ahead * slope  # line 5
            if k == self.steps - 1:  # line 6: no slope at σ = 0
                return euler
            straight = self.slope(denoise, done + 1, k + 1, grid, euler)  # line 7
            # Line 8: the mean of both slopes, from the same start.
            x, done = start * x + (0.5 * ahead) * (slope + straight), done + 2
        return x

    def slope(self, denoise: Denoise, number: int, k: int, grid: Grid, x: Tensor) -> Tensor:
        """ε at point k of the grid, evaluation `number`, for x [B,C,H,W]."""
        out = denoise(number, x)[:, : x.shape[1]]
        return to_noise(self.prediction, out, x, grid.alpha(k), grid.sigma(k))


class EDM(Heun):
    """Heun's sampler over Karras et al.'s noise levels, even in σ^(1/ρ) between those of the trained steps."""

    name = "edm"
    title = "EDM"
    parameters = {
        "steps": Parameter(int, 10, 1, 1000, help="two evaluations each, one the last"),
        "rho": Parameter(float, RHO, 0.1, 100.0, help="larger: more steps at low noise"),
        "spacing": spacing_parameter(),
        "prediction": Parameter(str, "noise", choices=PREDICTIONS, help="what the network predicts"),
    }
    sigmas = "karras"
