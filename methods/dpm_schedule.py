"""Continuous time and λ, half the log signal-to-noise ratio: the variable in which the DPM-Solvers integrate.

Variance preserving: α² + σ² = 1 and λ = log(α / σ), so α² = sigmoid(2λ) and σ² = sigmoid(-2λ); λ grows as
noise falls. All numbers are float64 and live on the host.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Protocol

import numpy as np

from models.noise_schedule import NoiseSchedule

MIN_LAMBDA = -5.1  # steps noisier than this are numerically pure noise and are dropped, as in the published solver


class LambdaSchedule(Protocol):
    """What a solver needs of a noise schedule."""

    first_time: float  # the smallest time it may end at

    def to_lambda(self, t: float) -> float: ...

    def to_time(self, lam: float) -> float: ...

    def network_time(self, t: float) -> float: ...


def alpha(lam: float) -> float:
    """Signal level α at λ; the noise level σ is alpha(-λ)."""
    return math.exp(-0.5 * float(np.logaddexp(0.0, -2.0 * lam)))


class DiscreteLambda:
    """Trained steps joined to continuous time by linear interpolation of log α (2206.00927, section 3.4)."""

    def __init__(self, schedule: NoiseSchedule, min_lambda: float = MIN_LAMBDA) -> None:
        log_alpha = 0.5 * np.cumsum(np.log1p(-schedule.betas))
        lam = log_alpha - 0.5 * np.log(-np.expm1(2.0 * log_alpha))
        kept = int(np.count_nonzero(lam >= min_lambda))
        self.schedule = schedule
        self.log_alpha = log_alpha[:kept]  # [kept], falling
        self.times = np.arange(1, kept + 1) / kept  # the kept steps are stretched over (0, 1]
        self.first_time = 1.0 / kept

    def to_lambda(self, t: float) -> float:
        """λ = log(α / σ) at time t in (0, 1]; σ² = 1 - α²."""
        log_alpha = float(np.interp(t, self.times, self.log_alpha))
        return log_alpha - 0.5 * math.log(-math.expm1(2.0 * log_alpha))

    def to_time(self, lam: float) -> float:
        """The inverse of `to_lambda`, by interpolation of log α."""
        return float(np.interp(math.log(alpha(lam)), self.log_alpha[::-1], self.times[::-1]))

    def network_time(self, t: float) -> float:
        """The first kept step is the network's first timestep, whatever was dropped at the other end."""
        return self.schedule.network_time(t - self.first_time + 1.0 / len(self.schedule))


class LinearVP:
    """The continuous schedule β(t) = beta_min + t (beta_max - beta_min) of score SDEs (arXiv 2011.13456, eq. 32)."""

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0, first_time: float = 1e-3) -> None:
        self.beta_min, self.beta_max, self.first_time = beta_min, beta_max, first_time

    def to_lambda(self, t: float) -> float:
        """λ = log(α / σ) at time t in (0, 1], log α the integral of -β / 2."""
        log_alpha = -0.25 * t**2 * (self.beta_max - self.beta_min) - 0.5 * t * self.beta_min
        return log_alpha - 0.5 * math.log(-math.expm1(2.0 * log_alpha))

    def to_time(self, lam: float) -> float:
        """The positive root of the quadratic that log α is in t, in the form without cancellation."""
        rest = 2.0 * float(np.logaddexp(0.0, -2.0 * lam))  # -4 log α
        return rest / (self.beta_min + math.sqrt(self.beta_min**2 + (self.beta_max - self.beta_min) * rest))

    def network_time(self, t: float) -> float:
        """The network takes the continuous time itself."""
        return t


@lru_cache(maxsize=32)
def lambda_schedule(schedule: NoiseSchedule | LambdaSchedule, min_lambda: float = MIN_LAMBDA) -> LambdaSchedule:
    """`schedule` itself if it is continuous, else its trained steps in continuous time."""
    return DiscreteLambda(schedule, min_lambda) if isinstance(schedule, NoiseSchedule) else schedule
