"""Replicates that keep the class shares: weights, distances of weighted moments, and what they estimate."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.benchmarks import class_coverage
from bench.benchmarks.class_populations import synthetic
from bench.quality.metrics.frechet import Moments, Target
from bench.statistics.jackknife import jackknife_groups
from bench.statistics.replicates import Replicates, fitting_samples

COMMITTED = Path(__file__).parent.parent / "results" / "benchmarks" / "class_coverage.json"
properties = settings(deadline=None, max_examples=25, derandomize=True)


@given(st.integers(64, 400), st.integers(1, 12), st.integers(0, 10_000))
@properties
def test_every_replicate_keeps_the_class_shares(n, classes, seed):
    labels = np.random.default_rng(seed).integers(classes, size=n)
    groups = jackknife_groups(n, labels)
    weights = Replicates.of(groups, labels).matrix()
    assert weights.min() >= 0
    if np.unique(labels, return_counts=True)[1].min() > 1:
        for label in range(classes):
            np.testing.assert_allclose(weights[:, labels == label].sum(axis=1), (labels == label).mean())
    for g in range(32):
        assert (weights[g, groups == g] < weights[g, groups != g].min()).all()


def test_without_classes_or_with_single_ones_a_group_is_just_left_out():
    groups = jackknife_groups(70)
    plain = (groups != np.arange(32)[:, None]) / (groups != np.arange(32)[:, None]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Replicates.of(groups).matrix(), plain)
    np.testing.assert_allclose(Replicates.of(groups, np.arange(70)).matrix(), plain)


@pytest.mark.parametrize("count", [3, 5, 50])
def test_the_error_of_a_mean_is_the_stratified_one(count):
    """Σ w_c² s_c²/n_c, also for classes of fewer samples than groups: 32 / 31 · n_c / (n_c - 1) would be too much."""
    classes = 400 // count
    labels = np.arange(count * classes) % classes
    groups = jackknife_groups(len(labels), labels)
    weights = Replicates.of(groups, labels).matrix()
    rng, found = np.random.default_rng(1), []
    for _ in range(100):
        x = 5 * labels + rng.normal(size=len(labels))
        found.append(31 / 32 * ((weights @ x - (weights @ x).mean()) ** 2).sum())
    assert np.mean(found) == pytest.approx(1 / len(labels), rel=0.08)


def by_weights(target, x, weights):
    mean = weights @ x
    covariance = (x - mean).T @ ((x - mean) * weights[:, None]) / (1 - weights @ weights)
    return target.distance_of(Moments(mean, covariance))


@pytest.mark.parametrize(("n", "d", "classes"), [(200, 6, 7), (360, 6, 120), (60, 80, 3)])
def test_distances_are_those_of_weighted_moments(n, d, classes):
    """Many samples, more strata than groups, and fewer samples than dimensions."""
    rng = np.random.default_rng(n)
    labels = rng.permutation(np.arange(n) % classes)
    x = rng.normal(size=(classes, d))[labels] + rng.normal(size=(n, d))
    target = Target.of(rng.normal(size=(300, d)))
    groups = jackknife_groups(n, labels)
    weights = Replicates.of(groups, labels).matrix()
    expected = [by_weights(target, x, w) for w in weights]
    np.testing.assert_allclose(target.distances_without(x, groups, labels), expected, rtol=1e-6, atol=1e-6)


def test_groups_that_cannot_hold_every_class_are_no_bias():
    """16 samples a group over 10 classes, 16 over 100: left out as they are, they count classes as error and bias."""
    for classes, samples in ((10, 512), (100, 500)):
        found = class_coverage.study(synthetic(classes, dimensions=12, each=60, settings=2), samples, repeats=40)[
            "found"
        ]
        ignored, kept = (found[way]["fd"] for way in class_coverage.WAYS)
        assert ignored["bias"] < -3 * abs(kept["bias"])
        assert abs(kept["bias"]) < 0.6 * kept["standard_deviation"]
        assert 0.7 < kept["mean_standard_error"] / kept["standard_deviation"] < 1.4
        assert kept["coverage"]["share"] >= 0.85
        assert found["classes kept"]["difference of fd"]["coverage"]["share"] >= 0.8
        papers, stratified = (found[way]["kid"] for way in class_coverage.WAYS)
        assert papers["bias"] < -2 * papers["standard_deviation"]
        assert abs(stratified["bias"]) < 0.6 * stratified["standard_deviation"]
        assert stratified["coverage"]["share"] >= 0.8


def test_the_nearest_number_of_samples_that_fits():
    assert fitting_samples(512, 10) == 512
    assert fitting_samples(64, 1000) == 2000
    assert fitting_samples(1, 1) == fitting_samples(1, 0) == 1


def test_committed_coverage_with_classes():
    """The interval that is stated holds the truth in every population; what it replaced did not."""
    found = json.loads(COMMITTED.read_text())
    shares = {
        way: [s["found"][way]["fd"]["coverage"]["share"] for s in found["settings"]] for way in class_coverage.WAYS
    }
    assert min(shares["classes kept"]) >= 0.9
    assert min(shares["classes ignored"]) < 0.85
    kernels = [s["found"]["classes kept"]["kid"]["coverage"]["share"] for s in found["settings"]]
    assert min(kernels) >= 0.9
    assert {s["population"] for s in found["settings"]} >= {"dit-mnist"}
