"""Which trained steps a sampler visits, under the names that people use for them, and the noise levels there.

`leading`, `linspace` and `trailing` are diffusers' grids, and each of them means three different things there:

* multistep samplers (UniPC, DEIS, the DPM-Solvers): N of N + 1 points, so that the end of the grid is not visited;
* DDIM: N points, the trained step 0 included where the spacing has it;
* Heun and EDM: as DDIM, but fractional, with noise levels interpolated between trained steps.

σ here is the noise level relative to the signal, sqrt((1 - ᾱ) / ᾱ), so that α = 1 / sqrt(1 + σ²). All are float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from methods.method import Evaluation, Parameter
from models.errors import InputError
from models.noise_schedule import NoiseSchedule

OFFICIAL, LEADING, LINSPACE, TRAILING = "official", "leading", "linspace", "trailing"
SPACINGS = (OFFICIAL, LEADING, LINSPACE, TRAILING)
ZERO, SIGMA_MIN = "zero", "sigma_min"  # where the last step ends
RHO = 7.0  # of Karras et al.


def spacing_parameter(help: str = "official: linspace; grids as in diffusers") -> Parameter:
    return Parameter(str, OFFICIAL, choices=SPACINGS, help=help)


def check_steps(trained: int, steps: int) -> None:
    """Raise InputError where a sampler wants more steps than were trained."""
    if steps > trained:
        raise InputError(f"'steps' = {steps} is more than the {trained} steps that the denoiser was trained on")


def multistep_steps(spacing: str, trained: int, steps: int) -> list[float]:
    """Trained steps from noise to clean, rounded half to even, for samplers with one evaluation a step."""
    check_steps(trained, steps)
    if spacing == LEADING:
        return (np.arange(1, steps + 1) * (trained // (steps + 1)))[::-1].astype(float).tolist()
    if spacing == TRAILING:
        return trailing_steps(trained, steps)
    return np.linspace(0, trained - 1, steps + 1).round()[:0:-1].tolist()


def trailing_steps(trained: int, steps: int) -> list[float]:
    """From the last trained step down, an even stride apart."""
    return ((trained - np.arange(steps) * (trained / steps)).round() - 1).tolist()


def even_points(spacing: str, trained: int, steps: int) -> list[float]:
    """`steps` points from noise to clean, not rounded, the first trained step included but for `trailing`."""
    check_steps(trained, steps)
    if spacing == LEADING:
        return (np.arange(steps) * (trained // steps))[::-1].astype(float).tolist()
    if spacing == TRAILING:
        return trailing_steps(trained, steps)
    return np.linspace(0, trained - 1, steps)[::-1].tolist()


def trained_sigmas(schedule: NoiseSchedule) -> np.ndarray:
    """σ of every trained step, float64 [trained], rising."""
    return np.sqrt((1.0 - schedule.alphas_cumprod) / schedule.alphas_cumprod)


def karras(first: float, last: float, steps: int, rho: float = RHO) -> np.ndarray:
    """`steps` noise levels from `first` down to `last`, even in σ^(1/ρ) (arXiv 2206.00364, eq. 5)."""
    ramp = np.linspace(0, 1, steps)
    return (first ** (1 / rho) + ramp * (last ** (1 / rho) - first ** (1 / rho))) ** rho


def lu(first: float, last: float, steps: int) -> np.ndarray:
    """`steps` noise levels even in log σ (Lu et al., arXiv 2206.00927)."""
    return np.exp(np.linspace(math.log(first), math.log(last), steps))


@dataclass(frozen=True)
class Grid:
    """Where a sampler evaluates: trained steps [N], perhaps fractional, and noise levels [N + 1], the last its end."""

    steps: tuple[float, ...]
    sigmas: tuple[float, ...]

    def evaluations(self, schedule: NoiseSchedule) -> list[Evaluation]:
        """One evaluation a step."""
        return [Evaluation(t + schedule.first_timestep, k) for k, t in enumerate(self.steps)]

    def lam(self, k: int) -> float:
        """λ = log(α / σ) at point k; infinite where nothing is left of the noise."""
        return math.inf if self.sigmas[k] == 0 else -math.log(self.sigmas[k])

    def alpha(self, k: int) -> float:
        """α at point k of the grid, from its noise level."""
        return 1.0 / math.sqrt(1.0 + self.sigmas[k] ** 2)

    def sigma(self, k: int) -> float:
        """Noise level σ α, with which α² + σ² = 1."""
        return self.sigmas[k] * self.alpha(k)


def multistep_grid(schedule: NoiseSchedule, spacing: str, steps: int, end: str = ZERO, sigmas: str = "trained") -> Grid:
    """The grid of a multistep sampler; `sigmas` may be spaced as Karras or Lu have it, over all trained levels."""
    table = trained_sigmas(schedule)
    last = 0.0 if end == ZERO else float(table[0])
    if sigmas == "trained":
        visited = multistep_steps(spacing, len(schedule), steps)
        return Grid(tuple(visited), (*(float(table[int(t)]) for t in visited), last))
    levels = (karras if sigmas == "karras" else lu)(float(table[-1]), float(table[0]), steps)
    visited = np.interp(np.log(levels), np.log(table), np.arange(len(table))).round().tolist()
    return Grid(tuple(visited), (*levels.tolist(), last))
