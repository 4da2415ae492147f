"""Respaced diffusion: a subset of the trained steps with betas of its own.

Nichol & Dhariwal, Improved denoising diffusion probabilistic models, arXiv 2102.09672, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from methods.method import Evaluation
from methods.spacing import LEADING, LINSPACE, TRAILING, even_points
from models.errors import InputError
from models.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

EVEN, STRIDE = "even", "stride"  # how the trained steps are picked; even is DiT's and U-ViT's, the official one
FIXED_STRIDE = (LEADING, LINSPACE, TRAILING)  # diffusers' grids, on which every step goes back by the same stride


def even_steps(trained: int, steps: int) -> list[int]:
    """`steps` of 0..trained-1, first and last included, at an accumulated fractional stride rounded half to even.

    One step alone is the last: it is the only one that starts from noise.
    """
    if steps == 1:
        return [trained - 1]
    stride, position, picked = (trained - 1) / (steps - 1), 0.0, []
    for _ in range(steps):
        picked.append(round(position))
        position += stride
    return picked


def stride_steps(trained: int, steps: int) -> list[int]:
    """`steps` multiples of an integer stride (Song et al., arXiv 2010.02502, appendix D.2, "linear").

    Raises InputError where no integer stride gives that many.
    """
    for stride in range(1, trained + 1):
        if len(range(0, trained, stride)) == steps:
            return list(range(0, trained, stride))
    raise InputError(f"no integer stride picks 'steps' = {steps} of {trained} trained steps; use spacing = '{EVEN}'")


@dataclass(frozen=True, eq=False)
class Respaced:
    """Tables of a respaced diffusion, all float64 [N], index i = 0..N-1 from clean to noise."""

    timestep_map: tuple[int, ...]  # the trained step of each index, ascending
    trained_alphas_cumprod: np.ndarray  # float64 [trained]
    first_timestep: int = 0  # what the network receives at trained step 0

    def __len__(self) -> int:
        return len(self.timestep_map)

    @cached_property
    def betas(self) -> np.ndarray:
        """β_i = 1 - ᾱ_i / ᾱ_{i-1} over the picked steps, which keeps ᾱ at each of them (2102.09672, eq. 19)."""
        picked = self.trained_alphas_cumprod[list(self.timestep_map)]
        return 1.0 - picked / np.append(1.0, picked[:-1])

    @cached_property
    def alphas_cumprod(self) -> np.ndarray:
        """ᾱ_i = Π (1 - β_j) over j <= i."""
        return np.cumprod(1.0 - self.betas)

    @cached_property
    def alphas_cumprod_prev(self) -> np.ndarray:
        """ᾱ_{i-1}; 1 before index 0."""
        return np.append(1.0, self.alphas_cumprod[:-1])

    # The posterior q(x_{t-1} | x_t, x_0), Ho et al. (arXiv 2006.11239), eq. 6 and 7.
    @cached_property
    def posterior_variance(self) -> np.ndarray:
        """β_i (1 - ᾱ_{i-1}) / (1 - ᾱ_i); zero at index 0."""
        return self.betas * (1.0 - self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)

    @cached_property
    def posterior_log_variance_clipped(self) -> np.ndarray:
        """Index 0, whose variance is zero, repeats index 1."""
        variance = self.posterior_variance
        return np.log(np.append(variance[1], variance[1:])) if len(self) > 1 else np.log(self.betas)

    @cached_property
    def posterior_mean_coef1(self) -> np.ndarray:
        """Factor of x_0 in the posterior mean."""
        return self.betas * np.sqrt(self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)

    @cached_property
    def posterior_mean_coef2(self) -> np.ndarray:
        """Factor of x_t in the posterior mean."""
        return (1.0 - self.alphas_cumprod_prev) * np.sqrt(1.0 - self.betas) / (1.0 - self.alphas_cumprod)

    def evaluations(self) -> list[Evaluation]:
        """One evaluation a step, from noise to clean."""
        timesteps = [float(t + self.first_timestep) for t in reversed(self.timestep_map)]
        return [Evaluation(t, step) for step, t in enumerate(timesteps)]

    def predict_clean(self, i: int, x: Tensor, noise: Tensor) -> Tensor:
        """x_0 [B,C,H,W] from x_i and the predicted noise (2006.11239, eq. 15)."""
        alpha_bar = self.alphas_cumprod[i]
        return x * float(np.sqrt(1.0 / alpha_bar)) - noise * float(np.sqrt(1.0 / alpha_bar - 1.0))

    def predict_noise(self, i: int, x: Tensor, clean: Tensor) -> Tensor:
        """The inverse of `predict_clean`: the noise [B,C,H,W] in x_i whose clean image is `clean`."""
        alpha_bar = self.alphas_cumprod[i]
        return (x * float(np.sqrt(1.0 / alpha_bar)) - clean) / float(np.sqrt(1.0 / alpha_bar - 1.0))


@dataclass(frozen=True, eq=False)
class FixedStride(Respaced):
    """diffusers' tables: each step ends at the trained step `stride` before its own, whatever the grid's next one is.

    On `linspace` that is another noise level than where the network is evaluated next: the sampler is inconsistent, and
    so are `trailing` and `leading` where `stride` times the steps is not the number of trained steps.
    """

    stride: int = 1
    final: float = 1.0  # ᾱ where a step ends before the first trained one

    @cached_property
    def alphas_cumprod(self) -> np.ndarray:
        """ᾱ at each picked step."""
        return self.trained_alphas_cumprod[list(self.timestep_map)]

    @cached_property
    def alphas_cumprod_prev(self) -> np.ndarray:
        """ᾱ at the trained step `stride` before each; `final` where there is none."""
        before = np.array(self.timestep_map) - self.stride
        return np.where(before >= 0, self.trained_alphas_cumprod[np.maximum(before, 0)], self.final)

    @cached_property
    def betas(self) -> np.ndarray:
        return 1.0 - self.alphas_cumprod / self.alphas_cumprod_prev


def fixed_stride(schedule: NoiseSchedule, steps: int, spacing: str, offset: int, from_one: bool) -> FixedStride:
    """diffusers' tables; `offset` is added to every trained step, `from_one`: the last step ends without noise."""
    trained, table = len(schedule), schedule.alphas_cumprod
    visited = [min(round(t) + offset, trained - 1) for t in even_points(spacing, trained, steps)][::-1]
    final = 1.0 if from_one else float(table[0])
    return FixedStride(tuple(visited), table, schedule.first_timestep, trained // steps, final)


@lru_cache(maxsize=32)
def respace(
    schedule: NoiseSchedule, steps: int, spacing: str = EVEN, offset: int = 0, from_one: bool = True
) -> Respaced:
    """Tables of `steps` of the schedule's trained steps. Raises InputError where it has fewer."""
    if spacing in FIXED_STRIDE:
        return fixed_stride(schedule, steps, spacing, offset, from_one)
    trained = len(schedule)
    if steps > trained:
        raise InputError(f"'steps' = {steps} is more than the {trained} steps that the denoiser was trained on")
    pick = even_steps if spacing == EVEN else stride_steps
    return Respaced(tuple(pick(trained, steps)), schedule.alphas_cumprod, schedule.first_timestep)
