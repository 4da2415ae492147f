"""Feature sets: extracted, validated, stored."""

import pytest
import torch

from bench.quality.features.feature_set import FeatureCollector, FeatureSet, extract_features
from bench.quality.images.digest import image_digests, set_sha256
from models.errors import InputError


def feature_set():
    rows = torch.arange(27, dtype=torch.float32).reshape(9, 3)
    return FeatureSet(rows, rows[:, :2] * 0.5, None, "tiny:1", "sha-0")  # a strided view: saving must not mind


class TinyExtractor:
    fingerprint = "tiny:1"

    def extract(self, images):
        rows = images.flatten(1).double()
        return {"pool": rows[:, :3], "logits": rows[:, 1:3]}


def test_features_survive_a_file(tmp_path):
    saved = feature_set()
    saved.save(tmp_path / "features.safetensors")
    loaded = FeatureSet.load(tmp_path / "features.safetensors")
    assert torch.equal(loaded.pool, saved.pool)
    assert torch.equal(loaded.logits, saved.logits)
    assert (loaded.fingerprint, loaded.images_sha256) == ("tiny:1", "sha-0")
    assert [path.name for path in tmp_path.iterdir()] == ["features.safetensors"]


def test_a_broken_features_file_is_one_line_that_names_it(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "features.safetensors"
    feature_set().save(path)
    whole = path.read_bytes()
    metadata = {"format": "ditbench-features-1", "fingerprint": "a", "images_sha256": "b"}
    files = {"missing": None, "cut": whole[:-5], "noise": b"not safetensors", "empty": b""}
    for name, content in files.items():
        target = tmp_path / name
        if content is not None:
            target.write_bytes(content)
        refused(target)
    save_file({"pool": torch.ones(2, 2)}, path, {"format": "other"})
    assert "format" in refused(path)
    save_file({"logits": torch.ones(2, 2)}, path, metadata)
    assert "lacks 'pool'" in refused(path)
    save_file({"pool": torch.ones(2, 2), "logits": torch.ones(3, 2)}, path, metadata)
    assert "2 rows" in refused(path)
    save_file({"pool": torch.ones(2, 2), "logits": torch.ones(2, 2)}, path, {"format": "ditbench-features-1"})
    assert "fingerprint" in refused(path)


def refused(path):
    with pytest.raises(InputError) as caught:
        FeatureSet.load(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        (torch.ones(3, 2, dtype=torch.float64), "float32"),
        (torch.ones(3), "float32"),
        (torch.ones(0, 2), "not empty"),
        (torch.ones(2, 2), "2 rows of 'pool' but 3 of 'logits'"),
        (torch.tensor([[0.0], [torch.nan], [torch.inf]]), r"2 of 3 samples \(index 1, 2\)"),
    ],
)
def test_a_feature_set_is_valid_or_refused(pool, says):
    with pytest.raises(InputError, match=says):
        FeatureSet(pool, torch.ones(3, 2), None, "tiny:1", "sha")


def test_extraction_is_the_same_in_any_batch():
    images = torch.arange(5 * 4, dtype=torch.uint8).reshape(5, 1, 2, 2)
    sets = [extract_features(TinyExtractor(), images, batch=batch) for batch in (1, 2, 5)]
    assert all(torch.equal(sets[0].pool, other.pool) for other in sets)
    assert sets[0].pool.dtype == torch.float32
    assert {found.images_sha256 for found in sets} == {set_sha256(image_digests(images))}


def test_extraction_refuses_what_is_no_image():
    for images in (torch.zeros(2, 1, 2, 2), torch.zeros(0, 1, 2, 2, dtype=torch.uint8), torch.zeros(2, 2).byte()):
        with pytest.raises(InputError, match="uint8"):
            extract_features(TinyExtractor(), images)


def test_logits_and_spatial_features_are_optional(tmp_path):
    rows = torch.arange(8, dtype=torch.float32).reshape(4, 2)
    for given in ({}, {"spatial": rows[:, :1]}, {"logits": rows, "spatial": rows}):
        FeatureSet(rows, fingerprint="tiny:1", images_sha256="sha", **given).save(tmp_path / "f.safetensors")
        loaded = FeatureSet.load(tmp_path / "f.safetensors")
        assert loaded.tensors().keys() == {"pool", *given}
        assert all(torch.equal(loaded.tensors()[name], tensor) for name, tensor in given.items())


def test_images_that_arrive_in_batches_are_counted():
    images = torch.arange(5 * 4, dtype=torch.uint8).reshape(5, 1, 2, 2)
    collector = FeatureCollector(TinyExtractor(), 5)
    collector.add(images[:3])
    with pytest.raises(InputError, match="expected 5 images, got 3"):
        collector.finish()
    with pytest.raises(InputError, match=r"shape \[1, 1, 4\] after images of shape \[1, 2, 2\]"):
        collector.add(images[3:].reshape(2, 1, 1, 4))
    collector.add(images[3:])
    assert torch.equal(collector.finish().pool, extract_features(TinyExtractor(), images).pool)
