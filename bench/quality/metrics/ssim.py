"""Structural similarity of image pairs, in the definition of Wang et al. (2004), named `ssim-gauss11-valid`.

Gaussian window of 11 × 11 pixels with σ = 1.5 that sums to 1, K₁ = 0.01, K₂ = 0.03, a range of 255, weighted population
moments, only windows that lie inside the image, no downsampling. Colour images are scored in each channel (R, G, B
apart) and averaged, not reduced to luminance. Libraries differ in all of these, so values of two are rarely equal.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.images.checks import require_images
from models.errors import InputError

NAME = "ssim-gauss11-valid"
WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
PIXELS = 2**22  # of a chunk: about 200 MB of float64 maps


def fits(images: Tensor) -> bool:
    """Whether images [B,C,H,W] hold at least one window."""
    return min(images.shape[-2:]) >= WINDOW


def ssim(images: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Similarity of each pair of uint8 images [B,C,H,W], float64 [B], 1 for identical ones.

    Computed on the images' device. Raises InputError on other dtypes, unequal shapes or sides below 11 pixels.
    """
    require_images("images", images)
    require_images("images to compare with", other)
    if images.shape != other.shape:
        raise InputError(f"SSIM: images of shape {list(images.shape)} against {list(other.shape)}")
    if not fits(images):
        raise InputError(f"SSIM needs images of at least {WINDOW} × {WINDOW} pixels, got {list(images.shape[-2:])}")
    step = max(1, PIXELS // images[0].numel())
    pairs = zip(images.split(step), other.split(step), strict=True)
    return torch.cat([similarity(x.double(), y.double()) for x, y in pairs]).cpu().numpy()


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """Mean over windows and channels of (2 μx μy + C₁)(2 σxy + C₂) / ((μx² + μy² + C₁)(σx² + σy² + C₂)), [B]."""
    # The window is separable: one matrix [side-10,side] for each axis.
    rows, columns = (smoother(side).to(x.device) for side in x.shape[-2:])
    # Windowed means of x, y, x², y², xy, each [B,C,H-10,W-10].
    mean_x, mean_y, square_x, square_y, product = (rows @ m @ columns.T for m in (x, y, x * x, y * y, x * y))
    # Population moments: E[xy] - E[x] E[y], and the sum of both variances.
    covariance = product - mean_x * mean_y
    variances = square_x - mean_x**2 + square_y - mean_y**2
    # Luminance term times the joint contrast and structure term, as C₃ = C₂ / 2 makes it (Wang et al. 2004).
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return (luminance * (2 * covariance + C2) / (variances + C2)).mean(dim=(1, 2, 3))


@cache
def smoother(side: int) -> Tensor:
    """The window along one axis as a matrix [side-10,side]: row i weights pixels i…i+10."""
    weights = torch.exp(-((torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    places = side - WINDOW + 1
    matrix = torch.zeros(places, side, dtype=torch.float64)
    for i in range(places):
        matrix[i, i : i + WINDOW] = weights
    return matrix
