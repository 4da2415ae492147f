import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.statistics.medians import half_width, is_resolved, median_interval, ratio_interval

positive = st.floats(1e-3, 1e6)


@settings(deadline=None, max_examples=50)
@given(st.lists(positive, min_size=1, max_size=12))
def test_interval_holds_the_median_and_stays_within_the_data(values):
    interval = median_interval(values, resamples=200)
    assert min(values) <= interval["low"] <= interval["median"] <= interval["high"] <= max(values)
    assert interval["median"] == np.median(values)


def test_the_same_values_give_the_same_interval():
    values = np.random.default_rng(3).normal(10, 1, 30)
    assert median_interval(values) == median_interval(values)
    assert median_interval(values)["low"] != median_interval(values, seed=1)["low"]


def test_the_interval_covers_the_true_median_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [median_interval(rng.normal(0, 1, 25), resamples=1000) for _ in range(400)]
    coverage = np.mean([i["low"] <= 0 <= i["high"] for i in intervals])
    assert 0.92 <= coverage <= 0.99


def test_ratios_are_taken_within_their_round():
    drift = np.linspace(1, 10, 20)
    assert ratio_interval(list(30 * drift), list(10 * drift)) == pytest.approx({"median": 3, "low": 3, "high": 3})


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [[1.0]]])
def test_nothing_to_summarise_is_refused(values):
    with pytest.raises(ValueError, match="at least one value"):
        median_interval(values)


@pytest.mark.parametrize(("above", "below"), [([1.0], [1.0, 2.0]), ([1.0], [0.0])])
def test_unpaired_or_zero_denominators_are_refused(above, below):
    with pytest.raises(ValueError, match="paired ratios"):
        ratio_interval(above, below)


def interval(low, median, high):
    return {"low": low, "median": median, "high": high}


@pytest.mark.parametrize(
    ("ratio", "resolution", "claimed"),
    [
        (interval(1.4, 1.5, 1.6), interval(0.98, 1.0, 1.03), True),
        (interval(0.6, 0.7, 0.8), interval(0.98, 1.0, 1.03), True),  # slower is a claim too
        (interval(0.9, 1.5, 1.6), interval(0.98, 1.0, 1.03), False),  # its own interval holds 1
        (interval(1.01, 1.02, 1.03), interval(0.95, 1.0, 1.01), False),  # inside what A/A moves, mirrored
    ],
)
def test_a_difference_inside_the_resolution_is_not_claimed(ratio, resolution, claimed):
    assert is_resolved(ratio, resolution) is claimed


def test_half_width_is_the_larger_side():
    assert half_width(interval(0.95, 1.0, 1.02)) == pytest.approx(0.05)
