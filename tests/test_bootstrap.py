"""The bootstrap of means against the normal theory that it approximates."""

import numpy as np
import pytest

from bench.statistics import bootstrap
from bench.statistics.bootstrap import mean_intervals
from models.errors import InputError


def test_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).normal([2.0, -1.0], [1.0, 3.0], size=(400, 2))
    low, high = mean_intervals(values)
    half = 1.96 * values.std(axis=0) / 20
    np.testing.assert_allclose(high - values.mean(axis=0), half, rtol=0.06)
    np.testing.assert_allclose(values.mean(axis=0) - low, half, rtol=0.06)


def test_covers_the_truth_at_the_promised_rate():
    rng = np.random.default_rng(1)
    draws = [mean_intervals(rng.normal(size=(100, 20)), resamples=400, seed=i) for i in range(20)]
    inside = np.mean([(low < 0) & (high > 0) for low, high in draws])  # 400 intervals
    assert 0.91 < inside < 0.98


def test_the_same_values_give_the_same_interval_whatever_the_chunks(monkeypatch):
    values = np.arange(30.0).reshape(10, 3) ** 2
    whole = mean_intervals(values, resamples=50)
    np.testing.assert_array_equal(mean_intervals(values, resamples=50), whole)
    assert not np.array_equal(mean_intervals(values, resamples=50, seed=1), whole)
    monkeypatch.setattr(bootstrap, "DRAWS", 70)  # seven resamples a chunk
    np.testing.assert_array_equal(mean_intervals(values, resamples=50), whole)


@pytest.mark.parametrize("values", [np.zeros((1, 2)), np.zeros(5), np.array([[1.0], [np.nan]])])
def test_refuses_what_has_no_interval(values):
    with pytest.raises(InputError, match="at least 2 pairs"):
        mean_intervals(values)
