"""The noise schedule that a denoiser was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Discrete variance-preserving schedule. All tables are float64 [N].

    Index i = 0..N-1 is the trained step; continuous time t = (i + 1) / N lies in (0, 1].
    """

    betas: np.ndarray  # float64 [N]
    first_timestep: int = 0  # what the network receives at index 0: DiT 0, U-ViT 1
    title: str = "own schedule"  # for people

    @cached_property
    def alphas_cumprod(self) -> np.ndarray:
        """ᾱ_t = Π (1 - β_s) over s <= t, float64 [trained steps]."""
        return np.cumprod(1.0 - self.betas)

    def __len__(self) -> int:
        return len(self.betas)

    def network_time(self, t: float) -> float:
        """Continuous t in (0, 1] to what the network receives (DiT: N t - 1, U-ViT: N t)."""
        return t * len(self) - 1 + self.first_timestep


def linear(steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> NoiseSchedule:
    """DiT's schedule: linear betas (Ho et al. 2020, section 4), network timesteps 0..999."""
    title = f"linear betas {first:g} to {last:g}"
    return NoiseSchedule(np.linspace(first, last, steps, dtype=np.float64), first_timestep=0, title=title)


def sqrt_linear(steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> NoiseSchedule:
    """U-ViT's schedule: betas linear in their square root (Stable Diffusion), timesteps 1..1000."""
    betas = np.linspace(first**0.5, last**0.5, steps, dtype=np.float64) ** 2
    return NoiseSchedule(betas, first_timestep=1, title=f"sqrt-linear betas {first:g} to {last:g}")
