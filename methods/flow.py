"""Flow matching: Euler and Heun for networks that predict velocity (arXiv 2210.02747, 2209.03003)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from methods.method import Evaluation, Parameter, Sampler
from methods.spacing import LEADING, LINSPACE, spacing_parameter
from models.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from methods.method import Denoise, StepNoise


class FlowEuler(Sampler):
    """dx/dt = v from t = 1 (noise) to 0, x_t = (1 - t) x_0 + t ε and v = ε - x_0, as rectified flows are trained.

    The network receives t in its own units of time, as its noise schedule maps (0, 1]. `shift` s moves the times to
    s t / (1 + (s - 1) t), towards noise where s > 1 (arXiv 2403.03206, eq. 23).
    """

    name = "flow-euler"
    title = "Flow Euler"
    parameters = {
        "steps": Parameter(int, 20, 1, 1000, help="one evaluation each"),
        "spacing": spacing_parameter("official: from 1 down evenly, as trailing; linspace: down to the first step"),
        "shift": Parameter(float, 1.0, 0.01, 100.0, help="above 1: more steps at high noise"),
    }
    tiny = {"steps": 4}
    prediction = "velocity"
    second: ClassVar[bool] = False  # whether steps are straightened
    steps: int
    spacing: str
    shift: float

    def times(self, schedule: NoiseSchedule) -> list[float]:
        """The times [N + 1] from noise to clean."""
        N, smallest = self.steps, 1.0 / len(schedule)
        even = {
            LEADING: np.arange(N, 0, -1) / (N + 1),
            LINSPACE: np.linspace(1.0, smallest, N),
        }.get(self.spacing, np.arange(N, 0, -1) / N)  # official, and trailing
        shifted = self.shift * even / (1.0 + (self.shift - 1.0) * even)
        return [*shifted.tolist(), 0.0]

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """One a step, from noise to clean; with `second` another at the end of every step but the last."""
        times, evaluations = self.times(schedule), []
        for k in range(self.steps):
            evaluations.append(Evaluation(schedule.network_time(times[k]), k))
            if self.second and k < self.steps - 1:
                evaluations.append(Evaluation(schedule.network_time(times[k + 1]), k, 1))
        return evaluations

    def sample(self, denoise: Denoise, x: Tensor, schedule: NoiseSchedule, step_noise: StepNoise) -> Tensor:
        """Steps along the velocity from noise x [B,C,H,W]: Euler's, or with `second` Heun's; see Sampler.sample."""
        times, done, channels = self.times(schedule), 0, x.shape[1]
        for k in range(self.steps):
            step = times[k + 1] - times[k]
            velocity = denoise(done, x)[:, :channels]  # dx/dt [B,C,H,W]
            # Euler: x(t + h) = x + h v(x, t).
            ahead, done = x + step * velocity, done + 1
            if self.second and k < self.steps - 1:
                straight = denoise(done, ahead)[:, :channels]
                # Heun: the mean of the velocities at both ends of the step.
                ahead, done = x + (0.5 * step) * (velocity + straight), done + 1
            x = ahead
        return x


class FlowHeun(FlowEuler):
    """As flow-euler; every step but the last is straightened by a second evaluation at its end."""

    name = "flow-heun"
    title = "Flow Heun"
    tiny = {"steps": 3}
    second = True
