"""The noise schedule that a denoiser was trained with."""

from __future__ import annotations

import math
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


def cosine(steps: int = 1000, offset: float = 0.008) -> NoiseSchedule:
    """√ᾱ = cos(π/2 (t + s) / (1 + s)) over its value at t = 0 (Nichol & Dhariwal 2021, equation 17); timesteps 0..999.

    At t = 1 nothing would be left of the image; times are even and end where `linear` ends, at the same ᾱ.
    """
    scale, start = math.pi / 2 / (1 + offset), math.pi / 2 * offset / (1 + offset)
    last = (math.acos(math.cos(start) * math.sqrt(last_signal())) - start) / scale
    signal = (np.cos(start + scale * even_times(steps, last)) / math.cos(start)) ** 2
    return from_signal(signal, "cosine")


def rectified_flow(steps: int = 1000) -> NoiseSchedule:
    """(1 - t) x_0 + t ε (arXiv 2209.03003), scaled to variance 1; times even as `cosine`'s; timesteps 0..999."""
    odds = math.sqrt(last_signal() / (1 - last_signal()))  # (1 - t) / t at the end
    t = even_times(steps, 1 / (1 + odds))
    return from_signal((1 - t) ** 2 / ((1 - t) ** 2 + t**2), "rectified flow")


def last_signal() -> float:
    """ᾱ at the last step of `linear`."""
    return float(linear().alphas_cumprod[-1])


def even_times(steps: int, last: float) -> np.ndarray:
    """Times last / N, 2 last / N, … last, float64 [N]."""
    return last * np.arange(1, steps + 1) / steps


def from_signal(alphas_cumprod: np.ndarray, title: str) -> NoiseSchedule:
    """The schedule of falling ᾱ [N]: β_i = 1 - ᾱ_i / ᾱ_{i-1}."""
    return NoiseSchedule(1 - alphas_cumprod / np.append(1.0, alphas_cumprod[:-1]), first_timestep=0, title=title)
