"""DEIS: exponential integrator with polynomials in log ρ (Zhang & Chen, arXiv 2204.13902)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from methods.dpm_prediction import PREDICTIONS, to_noise
from methods.method import Evaluation, Parameter, Sampler
from methods.spacing import SIGMA_MIN, Grid, multistep_grid, spacing_parameter
from models.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from methods.method import Denoise, StepNoise

FEW_STEPS = 15  # lower_order_final acts on shorter runs


class DEIS(Sampler):
    """Integrates the Lagrange polynomial of the last noise predictions in log ρ, ρ = σ / α, as diffusers has it.

    It ends at the noise level of the first trained step, not at zero.
    """

    name = "deis"
    title = "DEIS"
    parameters = {
        "steps": Parameter(int, 20, 1, 1000, help="one evaluation each"),
        "order": Parameter(int, 2, 1, 3, help="noise predictions in the polynomial"),
        "spacing": spacing_parameter(),
        "lower_order_final": Parameter(bool, True, help="runs below 15 steps end on lower orders"),
        "prediction": Parameter(str, "noise", choices=PREDICTIONS, help="what the network predicts"),
    }
    tiny = {"steps": 4}
    steps: int
    order: int
    spacing: str
    lower_order_final: bool
    prediction: str

    def grid(self, schedule: NoiseSchedule) -> Grid:
        """Trained steps and noise levels of the chosen spacing."""
        return multistep_grid(schedule, self.spacing, self.steps, SIGMA_MIN)

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """One a step of the grid."""
        return self.grid(schedule).evaluations(schedule)

    def sample(self, denoise: Denoise, x: Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> Tensor:
        """From noise x [B,C,H,W] to the sample, by a polynomial through the last noises; see Sampler.sample."""
        grid = self.grid(schedule)
        recent: list[Any] = []  # noise predictions, newest first
        lowered = self.lower_order_final and self.steps < FEW_STEPS
        for k in range(self.steps):
            # Noise prediction [B,C,H,W] at point k; channels of a learned variance are left out.
            out = denoise(k, x)[:, : x.shape[1]]
            recent = [to_noise(self.prediction, out, x, grid.alpha(k), grid.sigma(k)), *recent][:3]
            # The order grows with the predictions that there are; a short run ends on lower ones.
            order = min(self.order, k + 1, self.steps - k if lowered else self.order)
            # Nodes log ρ of the kept predictions, newest first.
            nodes = [math.log(grid.sigmas[k - i]) for i in range(order)]
            # With y = x / α the ODE is dy/dρ = ε: y moves by ∫ ε dρ, ε the polynomial through the predictions.
            total = (1.0 / grid.alpha(k)) * x
            for i in range(order):
                total = total + integral(grid.sigmas[k], grid.sigmas[k + 1], nodes, i) * recent[i]
            # Back from y to x at point k + 1.
            x = grid.alpha(k + 1) * total
        return x


def integral(start: float, end: float, nodes: list[float], i: int) -> float:
    """∫ over ρ of the Lagrange basis polynomial in log ρ that is 1 at node i: exact, since ∫ (log ρ)^n dρ is."""
    others = [node for j, node in enumerate(nodes) if j != i]
    # Π over the other nodes of (log ρ - node) / (node i - node), multiplied out.
    coefficients, scale = [1.0], 1.0  # of powers of log ρ, lowest first
    for node in others:
        scale /= nodes[i] - node
        coefficients = [a - node * b for a, b in zip([0.0, *coefficients], [*coefficients, 0.0], strict=True)]
    return scale * sum(c * (power_of_log(end, n) - power_of_log(start, n)) for n, c in enumerate(coefficients))


def power_of_log(rho: float, n: int) -> float:
    """Antiderivative of (log ρ)^n: ρ (log ρ)^n - n times that of one power less."""
    return rho if n == 0 else rho * math.log(rho) ** n - n * power_of_log(rho, n - 1)
