"""From what a network predicts to what a DPM-Solver integrates: the noise, or the (thresholded) clean image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PREDICTIONS = ("noise", "x_start", "v", "score")


def to_noise(prediction: str, out: Tensor, x: Tensor, alpha: float, sigma: float) -> Tensor:
    """Noise [B,C,H,W] in x = α x_0 + σ ε, from a network output of the named kind."""
    if prediction == "x_start":
        return (x - alpha * out) / sigma
    if prediction == "v":  # v = α ε - σ x_0 (Salimans & Ho, arXiv 2202.00512, appendix D)
        return alpha * out + sigma * x
    if prediction == "score":  # ∇ log q(x) = -ε / σ (arXiv 2011.13456)
        return -sigma * out
    return out


def to_data(noise: Tensor, x: Tensor, alpha: float, sigma: float) -> Tensor:
    """Clean image [B,C,H,W] from the noise in x."""
    return (x - sigma * noise) / alpha


def dynamic_threshold(clean: Tensor, quantile: float) -> Tensor:
    """Clip each sample to its own quantile of |x_0|, at least 1, and rescale to [-1, 1].

    Imagen's dynamic thresholding (Saharia et al., arXiv 2205.11487, section 2.3).
    """
    bound = clean.abs().flatten(1).quantile(quantile, dim=1).clamp(min=1.0)
    bound = bound.view(-1, *[1] * (clean.ndim - 1))  # [B,1,1,1]
    return clean.clamp(-bound, bound) / bound
