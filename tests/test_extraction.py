"""Features are kept under what they are of: the stale hits of caches that go by name cannot happen."""

import numpy as np
import pytest
import torch

from bench.quality.features import extraction
from bench.quality.features.feature_set import FeatureSet
from bench.quality.images.source import open_images


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def write_npz(path, images):
    np.savez(path, images)
    return str(path)


class Counting:
    """An extractor that counts how many images it has seen."""

    name, channels = "counting", 1

    def __init__(self, fingerprint="counting:1"):
        self.fingerprint, self.seen = fingerprint, 0

    def extract(self, images):
        self.seen += len(images)
        return {"pool": images.flatten(1).double()[:, :4] + len(self.fingerprint)}


def test_features_are_kept_under_what_they_are_of(tmp_path, cache):
    path = tmp_path / "s.npz"
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    counting = Counting()

    def features():
        return extraction.features_of(open_images(write_npz(path, images)), counting, batch=2)

    first = features()
    assert counting.seen == 5
    assert torch.equal(features().pool, first.pool)  # the same images: kept ones
    assert counting.seen == 5
    images[4, 0, 0] ^= 1  # other images under the same path
    assert not torch.equal(features().pool, first.pool)
    assert counting.seen == 10
    counting = Counting("counting:22")  # other weights, same images
    assert not torch.equal(features().pool, first.pool)
    assert counting.seen == 5
    assert len(list(cache.iterdir())) == 3


def test_a_kept_file_of_something_else_is_not_believed(tmp_path, cache):
    source = open_images(write_npz(tmp_path / "s.npz", np.zeros((3, 4, 4, 1), np.uint8)))
    counting = Counting()
    found = extraction.features_of(source, counting)
    file = extraction.kept_file(found.fingerprint, found.images_sha256)
    FeatureSet(found.pool + 1, fingerprint="counting:1", images_sha256="others").save(file)
    assert torch.equal(extraction.features_of(source, counting).pool, found.pool)
    file.write_bytes(b"damaged")
    assert torch.equal(extraction.features_of(source, counting).pool, found.pool)
    assert counting.seen == 9
