"""References: moments and features of real images, shipped, stored and read again."""

import numpy as np
import pytest
import torch

from bench.quality.features import reference_set, reference_sets
from bench.quality.features.feature_set import FeatureSet
from bench.quality.features.reference_set import ReferenceSet
from bench.quality.metrics.frechet import Moments
from models.errors import InputError


def feature_set(n=20, spatial=True):
    rows = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    return FeatureSet(rows, rows, rows[:, :3] if spatial else None, "tiny:1", "sha-0")


def test_the_digits_are_a_reference_by_name():
    digits = reference_sets.load("mnist-5000")
    assert digits.samples == len(digits.features) == 5000
    assert digits.fingerprint.startswith("digit-classifier:")
    assert np.allclose(digits.pool.mean, digits.features.double().mean(0))
    assert np.allclose(digits.pool.covariance, np.cov(digits.features.double().numpy(), rowvar=False))
    assert digits.spatial is None


@pytest.mark.parametrize("spatial", [True, False])
def test_a_reference_survives_a_file(tmp_path, spatial):
    made = reference_set.from_features(feature_set(spatial=spatial), "tiny")
    made.save(tmp_path / "r.safetensors")
    read = reference_sets.load(tmp_path / "r.safetensors")
    assert (read.name, read.fingerprint, read.sha256, read.samples) == ("tiny", "tiny:1", "sha-0", 20)
    assert torch.equal(read.features, made.features)
    assert np.array_equal(read.pool.covariance, made.pool.covariance)
    assert (read.spatial is not None) == spatial


def test_stored_features_are_a_reference(tmp_path):
    feature_set().save(tmp_path / "real.safetensors")
    read = reference_sets.load(tmp_path / "real.safetensors")
    assert (read.name, read.samples, read.spatial.mean.shape) == ("real", 20, (3,))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("mnist-500", "did you mean 'mnist-5000'"),
        ("nowhere/r.safetensors", "no such reference file"),
        ("empty", "not a readable reference"),
        ("other", "expected format 'ditbench-reference-1', got 'another'"),
        ("bare", "lacks 'name'"),
    ],
)
def test_a_reference_that_cannot_be_read_is_one_line(tmp_path, monkeypatch, source, says):
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    save_file({"pool": torch.ones(2)}, tmp_path / "other", {"format": "another"})
    rows = torch.eye(2, dtype=torch.float64)
    moments = {"pool_mean": rows[0].clone(), "pool_covariance": rows}
    save_file(moments, tmp_path / "bare", {"format": reference_set.FORMAT, "samples": "3"})
    with pytest.raises(InputError, match=says) as caught:
        reference_sets.load(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mean", "covariance", "says"),
    [
        (torch.zeros(2), torch.eye(3), "shapes"),
        (torch.tensor([0, torch.nan]), torch.eye(2), "NaN or infinity in the mean"),
        (torch.zeros(2), torch.tensor([[1.0, 0.5], [0, 1]]), "not symmetric"),
        (torch.zeros(2), torch.tensor([[1.0, 2], [2, 1]]), "not positive semidefinite"),
    ],
)
def test_stored_moments_are_valid_or_refused(tmp_path, mean, covariance, says):
    from safetensors.torch import save_file

    metadata = {"format": reference_set.FORMAT, "name": "a", "fingerprint": "tiny:1", "sha256": "b", "samples": "5"}
    save_file({"pool_mean": mean, "pool_covariance": covariance}, tmp_path / "r.safetensors", metadata)
    with pytest.raises(InputError, match=f"r.safetensors: pool moments.*{says}"):
        reference_sets.load(tmp_path / "r.safetensors")


def test_features_must_fit_their_moments():
    with pytest.raises(InputError, match="3 dimensions, the moments 2"):
        ReferenceSet("broken", "tiny:1", "sha", 5, Moments(np.zeros(2), np.eye(2)), None, torch.ones(5, 3))
