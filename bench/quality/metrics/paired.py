"""Fidelity to the uncached trajectory: distances between samples of the same seed and label.

They say how far a cached sample moved, not how good it is: a changed image may still be a good one, so these
stand beside the distribution metrics and never replace them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.quality.images.checks import require_finite, require_images
from bench.quality.metrics import ssim
from bench.statistics.bootstrap import mean_intervals
from models.errors import InputError

PEAK = 255.0
WORST = 5  # per cent: the tail that `*_worst` reports

Array = NDArray[np.float64]
Metrics = dict[str, Any]
Perceptual = Callable[[Tensor, Tensor], Array]  # bench.quality.metrics.lpips_distance.Lpips


def paired_fidelity(latents: Tensor, images: Tensor, other_latents: Tensor, other_images: Tensor) -> dict[str, Any]:
    """`summary` of `compare` for samples that are all in memory."""
    return summary(compare(latents, images, other_latents, other_images))


def compare(
    latents: Tensor,
    images: Tensor | None,
    other_latents: Tensor,
    other_images: Tensor | None,
    perceptual: Perceptual | None = None,
) -> dict[str, Array]:
    """How far each sample of a batch is from the `other` one of the same seed, float64 [B] by name.

    Latents are floats [B,...], images uint8 [B,C,H,W] or None; `other_*` are the uncached ones. Images too small for
    SSIM's window have none; `perceptual` adds LPIPS. Values of many batches are concatenated and given to `summary`.
    Raises InputError on unequal shapes, NaN, or counts that differ.
    """
    values = {
        "latent_error": latent_error(latents, other_latents),
        "latent_cosine": latent_cosine(latents, other_latents),
    }
    if images is None or other_images is None:
        return values
    if len(latents) != len(images):
        raise InputError(f"paired metrics: {len(latents)} latents but {len(images)} images")
    return values | compare_images(images, other_images, perceptual)


def compare_images(images: Tensor, other: Tensor, perceptual: Perceptual | None = None) -> dict[str, Array]:
    """What `compare` says of pairs of uint8 images [B,C,H,W] without their latents."""
    values = {"squared_error": squared_errors(images, other)}
    if ssim.fits(images):
        values["ssim"] = ssim.ssim(images, other)
    return values | ({"lpips": perceptual(images, other)} if perceptual else {})


def summary(values: Mapping[str, Array]) -> Metrics:
    """The paired metrics of N pairs from what `compare` says of each, as plain numbers ready for JSON.

    `psnr` is the dB of the mean squared error over all pairs, null when every pair is identical; `*_worst` is the
    worst 5 %'s bound; `*_low` and `*_high` are the ends of a 95 % interval of the mean, bootstrapped over pairs and
    null with one pair. Without images there are neither PSNR nor SSIM, without latents only these.
    """
    ends = intervals(values)
    metrics = latent_summary(values, ends) if "latent_error" in values else {}
    if "squared_error" in values:
        high, low = (end if end is None else finite(decibels(end)) for end in ends["squared_error"])
        metrics |= psnr_of(values["squared_error"]) | {"psnr_low": low, "psnr_high": high}  # more error, fewer dB
    if "ssim" in values:
        worst = float(np.percentile(values["ssim"], WORST))
        metrics |= {"ssim": float(values["ssim"].mean()), **named_ends("ssim", ends), "ssim_worst": worst}
    if "lpips" in values:
        metrics |= {"lpips": float(values["lpips"].mean()), **named_ends("lpips", ends)}
    return metrics


def absent(values: Mapping[str, Any]) -> dict[str, str]:
    """Why each metric of images that `compare` left out is not there, in a phrase."""
    small = f"the images are smaller than SSIM's window of {ssim.WINDOW} × {ssim.WINDOW} pixels"
    return {"ssim": small} if "squared_error" in values and "ssim" not in values else {}


def latent_summary(values: Mapping[str, Array], ends: Mapping[str, tuple[float | None, float | None]]) -> Metrics:
    """Mean, standard error, median and worst 5 % of the latents' relative errors [N]; their cosine."""
    errors = values["latent_error"]
    return {
        "latent_error": float(errors.mean()),
        **named_ends("latent_error", ends),
        "latent_error_se": float(errors.std(ddof=1) / len(errors) ** 0.5) if len(errors) > 1 else None,
        "latent_error_median": float(np.median(errors)),
        "latent_error_worst": float(np.percentile(errors, 100 - WORST)),
        "latent_cosine": float(values["latent_cosine"].mean()),
    }


def intervals(values: Mapping[str, Array]) -> dict[str, tuple[float | None, float | None]]:
    """Ends of the bootstrap interval of every quantity's mean over pairs; the same pairs are drawn for all."""
    stacked = np.stack(list(values.values()), axis=1)
    if len(stacked) < 2:
        return dict.fromkeys(values, (None, None))
    low, high = mean_intervals(stacked)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(values)}


def named_ends(name: str, ends: Mapping[str, tuple[float | None, float | None]]) -> dict[str, float | None]:
    low, high = ends[name]
    return {f"{name}_low": low, f"{name}_high": high}


def psnr_summary(images: Tensor, other: Tensor) -> dict[str, Any]:
    """`psnr_of` two sets of uint8 images [N,C,H,W]."""
    return psnr_of(squared_errors(images, other))


def psnr_of(squared: Array) -> dict[str, Any]:
    """`psnr` of the mean squared error, the median and the worst 5 % over pairs, and the number of identical pairs.

    Identical pairs count in all of them, as an error of zero; a value that would be infinite is null.
    """
    each = decibels(squared)
    return {
        "psnr": finite(decibels(squared.mean())),
        "psnr_median": finite(np.quantile(each, 0.5, method="lower")),
        "psnr_worst": finite(np.quantile(each, WORST / 100, method="lower")),
        "identical": int((squared == 0).sum()),
    }


def squared_errors(images: Tensor, other: Tensor) -> Array:
    """Mean squared error of each pair of uint8 images [N,C,H,W], float64 [N]."""
    require_images("images", images)
    require_images("images to compare with", other)
    require_same_shape("images", images, other)
    return (images.double() - other.double()).square().flatten(1).mean(dim=1).cpu().numpy()


def latent_error(latents: Tensor, other: Tensor) -> Array:
    """Relative L2 error of each pair of latents [N,...], |x - x'| / |x'|, float64 [N]."""
    x, y = paired_rows(latents, other)
    return ((x - y).norm(dim=1) / y.norm(dim=1)).cpu().numpy()


def latent_cosine(latents: Tensor, other: Tensor) -> Array:
    """Cosine similarity of each pair of latents [N,...], float64 [N]."""
    x, y = paired_rows(latents, other)
    return torch.nn.functional.cosine_similarity(x, y, dim=1).cpu().numpy()


def paired_rows(latents: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both latents as float64 [N,elements]; InputError when they are empty, unequal, not finite, or `other` is zero."""
    require_same_shape("latents", latents, other)
    if latents.ndim < 2 or latents.numel() == 0:
        raise InputError(f"latents must have shape [N, ...] and not be empty, got {list(latents.shape)}")
    require_finite("latents", latents)
    require_finite("latents to compare with", other)
    x, y = latents.double().flatten(1), other.double().flatten(1)
    zeros = (y.norm(dim=1) == 0).nonzero().flatten().tolist()
    if zeros:
        raise InputError(f"latents to compare with are all zero in sample {zeros[0]}: no relative error")
    return x, y


def require_same_shape(what: str, tensor: Tensor, other: Tensor) -> None:
    """Raise InputError unless the two sets hold the same number of samples of one shape."""
    if tensor.shape != other.shape:
        raise InputError(f"paired metrics: {what} of shape {list(tensor.shape)} against {list(other.shape)}")


def decibels(squared: Any) -> Any:
    """Peak signal-to-noise ratio 10 log10(255^2 / MSE) in dB; infinite where the error is zero."""
    with np.errstate(divide="ignore"):
        return 10 * np.log10(PEAK**2 / np.asarray(squared, dtype=np.float64))


def finite(value: Any) -> float | None:
    """A number as float, None where it is infinite or not a number: JSON has neither."""
    return float(value) if np.isfinite(value) else None
