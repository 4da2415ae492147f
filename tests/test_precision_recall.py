"""Precision and recall whatever the rows held at a time, and how far the papers' half precision moves them."""

import numpy as np
import pytest
import torch

from bench.quality.metrics import precision_recall as module
from bench.quality.metrics.precision_recall import precision_recall


def features(n, seed, scale=1.0):
    """Correlated positive values, about as pooled activations are."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, 64, generator=generator).abs() + 0.3 * torch.randn(n, 1, generator=generator)


def by_formula(samples, real, dtype):
    """The evaluator's formula: squared distances, radius to the third neighbour; in float16 or float64."""

    def distances(a, b):
        a, b = a.numpy().astype(np.float64), b.numpy().astype(np.float64)
        norms = (a**2).sum(1)[:, None].astype(dtype) + (b**2).sum(1).astype(dtype)
        return np.maximum(norms - 2 * (a @ b.T).astype(dtype), 0)

    radius = [np.partition(distances(f, f), 3, axis=1)[:, 3] for f in (samples, real)]
    across = distances(samples, real)
    return (across <= radius[1]).any(axis=1).mean(), (across <= radius[0][:, None]).any(axis=0).mean()


@pytest.mark.parametrize("rows", [7, 150, 1000])
def test_rows_held_at_a_time_do_not_matter(rows, monkeypatch):
    monkeypatch.setattr(module, "ROWS", rows)
    samples, real = features(150, 1, 0.9), features(120, 2)
    found = precision_recall(samples, real)
    assert (found["precision"], found["recall"]) == pytest.approx(by_formula(samples, real, np.float64), abs=1e-6)
    assert 0.1 < found["precision"] < 1
    assert found["precision_recall_reference"] == 120


def test_half_precision_is_another_number():
    """What the evaluator of the papers does unless a distance overflows: the second decimal is not to be trusted."""
    samples, real = features(300, 1, 0.9), features(300, 2)
    exact, half = (np.array(by_formula(samples, real, dtype)) for dtype in (np.float64, np.float16))
    assert 0 < np.abs(exact - half).max() < 0.05
