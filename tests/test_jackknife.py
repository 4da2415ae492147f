"""The delete-group jackknife against simulations whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.quality.metrics.frechet import Target
from bench.statistics.jackknife import GROUPS, jackknife, jackknife_groups, paired_difference
from models.errors import InputError

properties = settings(deadline=None, max_examples=25, derandomize=True)
seeds = st.integers(0, 10_000)


def classes_of_gaussians(rng, n, d, spread, centres):
    return centres[np.arange(n) % len(centres)] + spread * rng.normal(size=(n, d))


def with_moments(rng, n, mean, covariance):
    """A sample whose own mean and covariance are exactly these, so that the truth has a closed form."""
    x = rng.normal(size=(n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False)).T)
    return mean + x @ np.linalg.cholesky(covariance).T


def simulate(draw, reference, labels, repeats):
    """Value, standard error and corrected value of `repeats` independent sample sets, [repeats,3]."""
    found = []
    for _ in range(repeats):
        x = draw()
        groups = jackknife_groups(len(x), labels)
        value = reference.distance(x)
        estimate = jackknife(value, reference.distances_without(x, groups), groups)
        found.append((value, estimate.standard_error, estimate.corrected))
    return np.array(found)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_jackknife_knows_the_bias_and_the_spread(shift):
    rng = np.random.default_rng(1)
    d, n = 16, 500  # 500 is no multiple of 32: group sizes differ
    reference = Target.of(with_moments(rng, 400, np.zeros(d), np.eye(d)))
    truth = d * (shift**2 + 0.2**2)  # N(shift, 1.2² I) against N(0, I)
    found = simulate(lambda: shift + 1.2 * rng.normal(size=(n, d)), reference, None, 300)
    plain, errors, corrected = found.mean(axis=0)
    assert plain > truth + 0.1  # the bias is there …
    assert abs(corrected - truth) < 0.15 * (plain - truth)  # … and goes
    assert 0.75 < errors / found[:, 0].std(ddof=1) < 1.35


def test_jackknife_groups_hold_every_class():
    """Labels follow the index, so groups by index alone would see the distance between classes as sampling error."""
    rng = np.random.default_rng(2)
    d, n = 8, 640
    centres = 2 * rng.normal(size=(10, d))
    reference = Target.of(classes_of_gaussians(rng, 5000, d, 1.0, centres))
    truth = reference.distance(classes_of_gaussians(rng, 200_000, d, 1.2, centres))
    labels = np.arange(n) % 10
    found = simulate(lambda: classes_of_gaussians(rng, n, d, 1.2, centres), reference, labels, 40)
    plain, errors, corrected = found.mean(axis=0)
    assert abs(corrected - truth) < 0.3 * (plain - truth)
    assert 0.75 < errors / found[:, 0].std(ddof=1) < 1.4


@given(st.integers(32, 400), st.integers(1, 12), seeds)
@properties
def test_groups_are_even_in_size_and_class(n, classes, seed):
    labels = np.random.default_rng(seed).integers(classes, size=n)
    groups = jackknife_groups(n, labels)
    assert np.ptp(np.bincount(groups, minlength=GROUPS)) <= 1
    for label in range(classes):
        assert np.ptp(np.bincount(groups[labels == label], minlength=GROUPS)) <= 1


def test_groups_without_labels_are_by_index_and_need_enough_samples():
    np.testing.assert_array_equal(jackknife_groups(70), np.arange(70) % 32)
    with pytest.raises(InputError, match="at least 32 samples, got 31"):
        jackknife_groups(31)


@given(st.sampled_from([64, 67, 100]), seeds)
@properties
def test_jackknife_of_a_mean_is_the_textbook_error(n, seed):
    """A mean has no bias; with one sample a group its jackknife error is s/√n, and unequal groups estimate it too."""
    x = np.random.default_rng(seed).normal(size=n)
    alone = np.arange(n)
    estimate = jackknife(x.mean(), (x.sum() - x) / (n - 1), alone)
    assert estimate.standard_error == pytest.approx(x.std(ddof=1) / n**0.5)
    groups = jackknife_groups(n)
    sums, counts = np.bincount(groups, weights=x), np.bincount(groups)
    estimate = jackknife(x.mean(), (x.sum() - sums) / (n - counts), groups)
    assert estimate.corrected == pytest.approx(x.mean(), abs=1e-12)
    assert 0.4 < estimate.standard_error / (x.std(ddof=1) / n**0.5) < 1.8


def test_shared_seeds_make_a_difference_more_certain():
    """Two methods on the same noise: the paired error follows the true spread of the difference."""
    rng = np.random.default_rng(3)
    d, n = 8, 320
    reference = Target.of(with_moments(rng, 400, np.zeros(d), np.eye(d)))
    groups = jackknife_groups(n)
    gaps, errors, apart = [], [], []
    for _ in range(50):
        noise = rng.normal(size=(n, d))
        pair = [1.3 * noise, 1.2 * noise + 0.1 * rng.normal(size=(n, d))]
        values = tuple(reference.distance(x) for x in pair)
        replicates = [reference.distances_without(x, groups) for x in pair]
        difference = paired_difference(*replicates, values)
        gaps.append(difference.value)
        errors.append(difference.standard_error)
        apart.append(
            np.hypot(*(jackknife(v, r, groups).standard_error for v, r in zip(values, replicates, strict=True)))
        )
    assert 0.7 < np.mean(errors) / np.std(gaps, ddof=1) < 1.4
    assert np.mean(errors) < 0.7 * np.mean(apart)


def test_paired_difference_of_replicates():
    difference = paired_difference([1.0, 2.0, 3.0], [0.0, 1.0, 2.0], (4.0, 3.0))
    assert (difference.value, difference.corrected, difference.standard_error) == (1.0, 1.0, 0.0)
    # A bias of 1/N in the difference: 2 + 3/3 on all groups, 2 + 3/2 without one of the three.
    assert paired_difference([3.5] * 3, [0.0] * 3, (3.0, 0.0)).corrected == pytest.approx(2)
    with pytest.raises(InputError, match="equal lengths"):
        paired_difference([1.0, 2.0], [1.0, 2.0, 3.0], (1.0, 1.0))
    with pytest.raises(InputError, match="3 jackknife replicates for 2 groups"):
        jackknife(1.0, [1.0, 2.0, 3.0], np.array([0, 1, 0, 1]))
