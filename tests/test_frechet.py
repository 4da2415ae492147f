"""Fréchet distance against other implementations and known truths."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.quality.metrics.covariance_factor import covariance_factor
from bench.quality.metrics.frechet import Moments, Target, frechet_distance, moments
from models.errors import InputError

properties = settings(deadline=None, max_examples=25, derandomize=True)
seeds = st.integers(0, 10_000)
# (samples, reference samples, dimensions): full rank, each side singular, both, and the nuclear-norm form
sizes = st.sampled_from([(50, 70, 6), (5, 70, 8), (70, 5, 8), (5, 6, 8), (8, 8, 8), (4, 20, 20)])


def correlated(rng, n, d, scale=1.0):
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * scale + rng.normal(size=d)


def by_eigh(x, y):
    """Textbook form with two symmetric eigenproblems: Tr (Σ₂^½ Σ₁ Σ₂^½)^½."""
    values, vectors = np.linalg.eigh(np.cov(y, rowvar=False))
    root = vectors * np.sqrt(values.clip(min=0)) @ vectors.T
    first = np.cov(x, rowvar=False)
    cross = np.sqrt(np.linalg.eigvalsh(root @ first @ root).clip(min=0)).sum()
    gap = x.mean(axis=0) - y.mean(axis=0)
    return gap @ gap + np.trace(first) + (values.sum()) - 2 * cross


@pytest.mark.parametrize("d", [2, 16, 64])
def test_equals_scipy_and_torch_fidelity(d):
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    rng = np.random.default_rng(d)
    x, y = correlated(rng, 300, d), correlated(rng, 400, d)
    ours = frechet_distance(x, y)
    sx, sy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(sx @ sy).real
    gap = x.mean(axis=0) - y.mean(axis=0)
    assert ours == pytest.approx(gap @ gap + np.trace(sx + sy - 2 * root), rel=1e-6)
    statistics = [fid_features_to_statistics(torch.from_numpy(f)) for f in (x, y)]
    library = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert ours == pytest.approx(library, rel=1e-6)


@given(seeds, sizes)
@properties
def test_every_form_is_the_textbook_distance(seed, size):
    n, m, d = size
    rng = np.random.default_rng(seed)
    x, y = correlated(rng, n, d), correlated(rng, m, d)
    expected = by_eigh(x, y)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert Target.of(y).distance_of(moments(x)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_singular_closed_form():
    """Commuting singular covariances: d² = |Δμ|² + Σ (σ₁ - σ₂)², here with axes that vary in one set only."""
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * np.sqrt(3 / 4)  # unit covariance with ddof 1
    x = np.zeros((4, 6))
    y = np.zeros((4, 6))
    x[:, :2], y[:, 1:3] = signs * [2, 3], signs * [5, 7]
    x[:, 5] = 1.5  # constant, as a dead unit behind a ReLU: moves the mean only
    expected = 1.5**2 + 2**2 + (3 - 5) ** 2 + 7**2
    # Axis 1 of x goes with axis 0 of the signs' second column in y: uncorrelated data, so only variances count.
    assert frechet_distance(x, y) == pytest.approx(expected, abs=1e-6)
    assert frechet_distance(y, x) == pytest.approx(expected, abs=1e-6)
    assert frechet_distance(np.tile(x, (3, 1)), x) == pytest.approx(
        (np.sqrt(3 / 4 * 4 / 3) - np.sqrt(12 / 11 * 3 / 4)) ** 2 * (2**2 + 3**2), abs=1e-6
    )


def test_factor_of_a_singular_covariance():
    rng = np.random.default_rng(0)
    covariance = np.cov(rng.normal(size=(4, 9)), rowvar=False)
    covariance[0] = covariance[:, 0] = 0
    factor = covariance_factor(covariance).columns
    np.testing.assert_allclose(factor @ factor.T, covariance, atol=1e-12)
    assert covariance_factor(np.zeros((3, 3))).rank == 0


@pytest.mark.parametrize("rank", [9, 3])
def test_products_with_a_factor_are_those_of_dense_matrices(rank):
    rng = np.random.default_rng(rank)
    x = rng.normal(size=(20, rank)) @ rng.normal(size=(rank, 9))
    factor = covariance_factor(np.cov(x, rowvar=False))
    assert factor.lower == (rank == 9)
    s = np.cov(rng.normal(size=(30, 9)), rowvar=False)
    dense = factor.columns.T @ s @ factor.columns
    np.testing.assert_allclose(np.tril(factor.inner(s)), np.tril(dense), atol=1e-12)
    np.testing.assert_allclose(factor.rows(x), x @ factor.columns, atol=1e-12)


@given(seeds, sizes)
@properties
def test_symmetric_zero_on_itself_and_rotation_invariant(seed, size):
    n, m, d = size
    rng = np.random.default_rng(seed)
    x, y = correlated(rng, n, d), correlated(rng, m, d)
    distance = frechet_distance(x, y)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    assert frechet_distance(y, x) == pytest.approx(distance, rel=1e-6, abs=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(x @ rotation, y @ rotation) == pytest.approx(distance, rel=1e-6, abs=1e-6)
    assert frechet_distance(x + 3, x) == pytest.approx(9 * d, rel=1e-6)


@given(seeds, sizes)
@properties
def test_leaving_groups_out_equals_computing_again(seed, size):
    n, m, d = size
    rng = np.random.default_rng(seed)
    x, y = correlated(rng, n, d) + 1000, correlated(rng, m, d) + 1000  # a large mean must not cost digits
    groups = np.arange(n) % 2
    reference = Target.of(y)
    again = [reference.distance(x[groups != g]) for g in range(2)]
    np.testing.assert_allclose(reference.distances_without(x, groups), again, rtol=1e-6, atol=1e-5)
    by_moments = Target(moments(y))  # as from a file that holds no features
    np.testing.assert_allclose(by_moments.distances_without(x, groups), again, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "other", "says"),
    [
        ((1, 4), (9, 4), "at least 2"),
        ((9, 4), (0, 4), "at least 2"),
        ((9, 4), (9, 5), "dimensions"),
        ((9,), (9,), "shape"),
    ],
)
def test_refuses_what_has_no_distance(shape, other, says):
    with pytest.raises(InputError, match=says):
        frechet_distance(np.zeros(shape), np.zeros(other))


def test_features_in_chunks_of_float32_are_those_at_once(monkeypatch):
    rng = np.random.default_rng(4)
    x = (correlated(rng, 100, 6) + 100).astype(np.float32)
    monkeypatch.setattr("bench.quality.metrics.frechet.ROWS", 7)
    found = moments(x)
    np.testing.assert_allclose(found.mean, x.astype(np.float64).mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-10)
    assert moments(x.astype(np.float16)).mean.dtype == np.float64


@pytest.mark.parametrize(
    ("mean", "covariance", "says"),
    [
        (np.zeros(3), np.eye(4), r"\[3\] and \[4, 4\]"),
        (np.zeros((1, 3)), np.eye(3), r"\[1, 3\] and \[3, 3\]"),
        (np.array([0, np.nan]), np.eye(2), "NaN or infinity in the mean"),
        (np.zeros(2), np.diag([1, np.inf]), "NaN or infinity in the covariance"),
        (np.zeros(2), np.array([[1, 0.5], [0.1, 1]]), "not symmetric"),
        (np.zeros(2), np.diag([1.0, -0.1]), "positive semidefinite, got eigenvalues from -0.1 to 1"),
    ],
)
def test_refuses_moments_of_no_gaussian(mean, covariance, says):
    with pytest.raises(InputError, match=says):
        Target(Moments(mean, covariance)).distance(np.eye(len(mean)))


def test_moments_of_another_dtype_are_compared_in_float64():
    """The official files hold a float64 covariance and a mean of either width."""
    rng = np.random.default_rng(5)
    x, y = correlated(rng, 50, 6), correlated(rng, 60, 6)
    mixed = Moments(y.mean(axis=0).astype(np.float32), np.cov(y, rowvar=False))
    assert Target(mixed).distance(x) == pytest.approx(frechet_distance(x, y), rel=1e-5)
