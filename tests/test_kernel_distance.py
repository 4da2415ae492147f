"""KID against torch-fidelity's, and its error against computing again and against repeated sampling."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from bench.quality.metrics import kernel_distance as module
from bench.quality.metrics.kernel_distance import cubic, distances_without, kernel_distance
from bench.statistics.jackknife import jackknife_groups


def features(n, seed, scale=1.0, d=8):
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def by_hand(x, y):
    """Unbiased MMD²: mean over pairs of different rows."""
    kxx, kyy, kxy = cubic(x, x), cubic(y, y), cubic(x, y)
    pairs = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kxx, kyy)]
    return pairs[0] + pairs[1] - 2 * kxy.mean()


@pytest.mark.parametrize("size", [50, 120])
def test_value_is_torch_fidelitys(size, monkeypatch):
    monkeypatch.setattr(module, "SUBSET_SIZE", size)
    x, y = features(150, 1, 1.2), features(130, 2)
    library = kid_features_to_metric(
        x.double(), y.double(), kid_subsets=100, kid_subset_size=size, rng_seed=2020, verbose=False
    )["kernel_inception_distance_mean"]
    found = kernel_distance(x, y, jackknife_groups(150))
    assert found["kid"] == pytest.approx(library, rel=1e-10)
    assert found["kid_subset_size"] == size


def test_replicates_are_the_distance_without_each_group():
    x, y = features(70, 1).double().numpy(), features(60, 2).double().numpy()
    groups = jackknife_groups(70)
    found = distances_without(x, y, groups)
    expected = [by_hand(x, y), *(by_hand(x[groups != g], y) for g in range(32))]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_error_is_the_spread_between_independent_sample_sets(monkeypatch):
    monkeypatch.setattr(module, "SUBSETS", 10)
    monkeypatch.setattr(module, "SUBSET_SIZE", 100)
    y = features(200, 0)
    runs = [kernel_distance(features(200, 1 + i, 1.2), y, jackknife_groups(200)) for i in range(60)]
    spread = np.std([r["kid"] for r in runs], ddof=1)
    assert 0.75 < np.mean([r["kid_se"] for r in runs]) / spread < 1.4


def test_subsets_too_small_for_an_error_have_none():
    found = kernel_distance(features(40, 1), features(2, 2), jackknife_groups(40))
    assert found["kid_subset_size"] == 2
    assert found["kid"] is not None
    assert (found["kid_se"], found["kid_jackknife"]) == (None, None)
