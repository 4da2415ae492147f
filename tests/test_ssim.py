"""SSIM against an independent implementation of the same definition."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from bench.quality.metrics import ssim as module
from bench.quality.metrics.ssim import ssim
from models.errors import InputError


def by_scipy(x, y):
    """Wang et al.'s formula with a two-dimensional window, cropped to windows inside the image, one channel."""
    axis = np.arange(-5, 6)
    window = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 1.5**2))
    window /= window.sum()
    x, y = x.double().numpy(), y.double().numpy()
    mx, my, xx, yy, xy = (correlate(m, window)[5:-5, 5:-5] for m in (x, y, x * x, y * y, x * y))
    c1, c2 = 6.5025, 58.5225
    top = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    return (top / ((mx**2 + my**2 + c1) * (xx - mx**2 + yy - my**2 + c2))).mean()


def pairs(n, channels, height, width, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, channels, height, width))
    y = np.clip(x + rng.normal(0, 30, x.shape), 0, 255)
    return torch.from_numpy(x.astype(np.uint8)), torch.from_numpy(y.astype(np.uint8))


@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (3, 3, 17, 24), (2, 3, 11, 11)])
def test_equals_an_independent_implementation(shape, monkeypatch):
    x, y = pairs(*shape)
    expected = [np.mean([by_scipy(a, b) for a, b in zip(p, q, strict=True)]) for p, q in zip(x, y, strict=True)]
    expected = np.array(expected)
    np.testing.assert_allclose(ssim(x, y), expected, rtol=1e-10)
    monkeypatch.setattr(module, "PIXELS", 1)  # one image a chunk
    np.testing.assert_allclose(ssim(x, y), expected, rtol=1e-10)


def test_identical_images_score_one_and_flat_ones_follow_luminance():
    x, _ = pairs(2, 3, 16, 16)
    np.testing.assert_allclose(ssim(x, x), 1)
    dark, light = torch.full((2, 1, 1, 12, 12), 100, dtype=torch.uint8).unbind()
    light = light + 50
    np.testing.assert_allclose(ssim(dark, light), (2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025))


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (torch.zeros(1, 3, 10, 64), torch.zeros(1, 3, 10, 64), r"at least 11 × 11 pixels, got \[10, 64\]"),
        (torch.zeros(2, 3, 16, 16), torch.zeros(1, 3, 16, 16), r"\[2, 3, 16, 16\] against \[1, 3, 16, 16\]"),
    ],
)
def test_refuses_what_has_no_similarity(x, y, says):
    with pytest.raises(InputError, match=says):
        ssim(x.byte(), y.byte())
    with pytest.raises(InputError, match="uint8"):
        ssim(x, y)
