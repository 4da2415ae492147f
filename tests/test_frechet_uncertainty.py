"""FID∞, the spread over seeds and intervals, against closed forms and simulations with known truth."""

import json

import numpy as np
import pytest

from bench.benchmarks import coverage_plot, jackknife_coverage
from bench.quality.metrics.frechet import Moments, Target
from bench.quality.metrics.frechet_uncertainty import balanced_order, extrapolate, frechet_with_error, spread
from bench.statistics.jackknife import jackknife_groups, paired_difference, quantile

UNIT = Target(Moments(np.zeros(8), np.eye(8)))


def draw(n, scale=1.2, seed=0):
    return scale * np.random.default_rng(seed).normal(size=(n, 8))


def test_extrapolation_takes_the_bias_away():
    """Of N(0, 1.2² I) against N(0, I) the distance is 8 · 0.2²; the plain value lies above it by about 1/N."""
    truth = 8 * 0.2**2
    lines = [extrapolate(draw(300, seed=i), UNIT, seed=i) for i in range(60)]
    plain = np.mean([UNIT.distance(draw(300, seed=i)) for i in range(60)])
    found = np.mean([line.value for line in lines])
    assert plain - truth > 0.03
    assert abs(found - truth) < 0.25 * (plain - truth)
    assert all(line.slope > 0 and line.residual > 0 for line in lines)


def test_extrapolation_is_seeded():
    x = draw(300)
    assert extrapolate(x, UNIT) == extrapolate(x, UNIT)
    assert extrapolate(x, UNIT) != extrapolate(x, UNIT, seed=1)


@pytest.mark.parametrize("n", [40, 100])
def test_every_beginning_of_a_balanced_order_is_balanced(n):
    labels = np.arange(100) % 10
    order = balanced_order(100, labels, np.random.default_rng(0))
    assert sorted(order) == list(range(100))
    assert np.ptp(np.bincount(labels[order[:n]], minlength=10)) <= 1
    assert sorted(balanced_order(7, None, np.random.default_rng(0))) == list(range(7))


def test_spread_is_over_disjoint_ranges_of_seeds():
    x = draw(103)
    found = spread(x, UNIT)
    expected = [UNIT.distance(x[i * 25 : i * 25 + 25]) for i in range(4)]
    assert found["fd_range_samples"] == 25
    assert found["fd_ranges"] == pytest.approx(expected)
    assert found["fd_spread"] == pytest.approx(np.std(expected, ddof=1))


def test_intervals_are_students_around_the_corrected_value():
    found = frechet_with_error("sfd", draw(200), UNIT, jackknife_groups(200))
    assert quantile(32) == pytest.approx(2.0395, abs=1e-4)
    half = quantile(32) * found["sfd_se"]
    assert (found["sfd_corrected_low"], found["sfd_corrected_high"]) == pytest.approx(
        (found["sfd_corrected"] - half, found["sfd_corrected"] + half)
    )
    difference = paired_difference(found["sfd_jackknife"], np.zeros(32), (found["sfd"], 0.0))
    assert difference.high - difference.corrected == pytest.approx(half, rel=0.02)
    assert difference.corrected == pytest.approx(found["sfd_corrected"], rel=0.02)


def test_the_coverage_study_in_miniature(tmp_path):
    """The interval that is reported holds the truth; the percentile bootstrap does not hold even its own estimate."""
    found = jackknife_coverage.study(16, 256, repeats=40)
    rates = {name: rate["share"] for name, rate in found["coverage"].items()}
    assert rates["jackknife around the bias-corrected value"] >= 0.85
    assert rates["difference of bias-corrected values"] >= 0.85
    assert rates["percentile bootstrap"] <= 0.5
    assert rates["jackknife around the plain value"] < rates["jackknife around the bias-corrected value"]
    assert abs(found["mean"]["corrected"] - found["truth"]) < 0.3 * (found["mean"]["plain"] - found["truth"])
    result = {"promised": 0.95, "settings": [found]}
    json.dumps(result, allow_nan=False)
    for name in ("a.svg", "b.svg"):
        coverage_plot.draw(result, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_exact_binomial_interval():
    assert jackknife_coverage.share([True] * 10) == {"share": 1.0, "low": pytest.approx(0.6915, abs=1e-4), "high": 1.0}
    assert jackknife_coverage.share([False] * 10)["high"] == pytest.approx(0.3085, abs=1e-4)
