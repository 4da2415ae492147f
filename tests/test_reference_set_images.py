"""References that are made of images: moments over all of them, features of some."""

import numpy as np
import pytest
import torch

from bench.quality.features.reference_set_images import RunningMoments, evenly_spaced, reference_set_of
from bench.quality.images.source import open_images


class Pixels:
    """The first pixels as features, far from zero."""

    name, channels, fingerprint = "pixels", 1, "pixels:1"

    def extract(self, images):
        rows = images.flatten(1).float()
        return {"pool": rows[:, :4] + 1e4, "spatial": rows[:, 4:6]}


@pytest.mark.parametrize(("kept", "expected"), [(100, range(23)), (23, range(23)), (5, [4, 9, 13, 18, 22])])
def test_moments_are_of_all_images_and_features_of_some(tmp_path, kept, expected):
    images = np.random.default_rng(0).integers(0, 256, (23, 3, 3, 1), dtype=np.uint8)
    np.savez(tmp_path / "r.npz", images)
    made = reference_set_of(open_images(tmp_path / "r.npz"), Pixels(), "r", batch=4, kept=kept)
    rows = images.reshape(23, -1).astype(np.float64)
    assert made.samples == 23
    assert np.allclose(made.pool.mean, rows[:, :4].mean(0) + 1e4, rtol=1e-14)
    assert np.allclose(made.pool.covariance, np.cov(rows[:, :4], rowvar=False), rtol=1e-12)
    assert np.allclose(made.spatial.covariance, np.cov(rows[:, 4:6], rowvar=False), rtol=1e-12)
    assert torch.equal(made.features, torch.from_numpy(rows[list(expected), :4]).float() + 1e4)


def test_running_moments_equal_those_of_the_whole(monkeypatch):
    monkeypatch.setattr("bench.quality.features.reference_set_images.ROWS", 10)
    rows = torch.randn(57, 5, generator=torch.Generator().manual_seed(0)) + 1e3
    running = RunningMoments()
    for part in rows.split(4):
        running.add(part)
    found = running.finish()
    assert np.allclose(found.mean, rows.double().mean(0).numpy(), rtol=1e-14)
    assert np.allclose(found.covariance, np.cov(rows.double().numpy(), rowvar=False), rtol=1e-10)


def test_kept_indices_are_spread_over_all():
    for count, kept in ((10, 3), (1000, 7), (5, 5), (5, 9)):
        chosen = np.flatnonzero(evenly_spaced(np.arange(count), count, kept))
        assert len(chosen) == min(kept, count)
        assert np.ptp(np.diff(chosen)) <= 1
