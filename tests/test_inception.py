"""Inception-2015 under both preprocessings, with random weights, against torch-fidelity's and clean-fid's own code."""

import numpy as np
import pytest
import torch
from inception_weights import write_random_inception

from bench.quality import extractors
from bench.quality.extractors import inception
from bench.quality.extractors.fidelity_library import library
from models.errors import InputError


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_random_inception(tmp_path_factory.mktemp("weights") / "inception.pth")


def images(n, size=32, seed=0):
    """Smooth colour images uint8 [n,3,size,size]."""
    coarse = torch.rand(n, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear") * 255).byte()


def test_features_equal_the_libraries_own(weights):
    adm, clean = (extractors.build(name, weights=weights) for name in ("adm", "clean"))
    found, pictures = adm.extract(images(2)), images(2)
    network = library("torch_fidelity.feature_extractor_inceptionv3", "FeatureExtractorInceptionV3")
    official = network("inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights))
    pool, logits = official(pictures)
    assert torch.allclose(found["pool"], pool, rtol=1e-5, atol=0)
    assert torch.allclose(found["logits"], logits, rtol=1e-4, atol=1e-4)
    assert found["spatial"].shape == (2, 17 * 17 * 7)
    # ADM's layer by a hook on the branch itself: [B,192,17,17] -> the first 7 channels, channels last.
    seen = []
    official.Mixed_6d.branch1x1.register_forward_hook(lambda module, inputs, output: seen.append(output))
    official(pictures)
    spatial = np.stack([seen[0][i, :7].numpy().transpose(1, 2, 0).reshape(-1) for i in range(2)])
    assert np.allclose(found["spatial"].numpy(), spatial, rtol=1e-5, atol=1e-7)
    # clean-fid resizes one image at a time, channels last.
    resize = library("cleanfid.resize", "build_resizer")("clean")
    resized = torch.stack([torch.from_numpy(resize(p.permute(1, 2, 0).numpy())).permute(2, 0, 1) for p in pictures])
    assert torch.equal(clean.resize(pictures), resized)
    assert (clean.resize(pictures) - adm.resize(pictures)).abs().mean() > 0.1  # two protocols, not one
    assert clean.fingerprint != adm.fingerprint


def test_only_the_original_weights_are_called_fid(weights, monkeypatch):
    digest = inception.sha256(weights)
    other = extractors.build("adm", weights=weights)
    assert (other.is_fid, other.name) == (False, f"inception-{digest[:8]}-adm")
    assert digest[:16] in other.fingerprint
    monkeypatch.setattr(inception, "INCEPTION_SHA256", digest)
    known = extractors.build("clean", weights=weights)
    assert (known.is_fid, known.name) == (True, "clean")


def test_the_original_weights_are_fetched_by_their_checksum(weights, monkeypatch):
    asked = {}

    def fetch(url, *, sha256):
        asked.update(url=url, sha256=sha256)
        return weights

    monkeypatch.setattr(inception, "fetch", fetch)
    assert inception.official_weights() == weights
    assert asked["url"].endswith(f"{asked['sha256'][:8]}.pth")  # the library's file carries its hash in its name


def test_without_the_original_weights_there_is_another_way(monkeypatch):
    def fetch(url, *, sha256):
        raise InputError(f"{url}: no connection")

    monkeypatch.setattr(inception, "fetch", fetch)
    with pytest.raises(InputError, match=r"no connection; give a local copy .* 'efficientnet-lite0'"):
        extractors.build("clean")


def broken_weights(weights, folder):
    state = torch.load(weights, weights_only=True)
    cut = {key: tensor for key, tensor in state.items() if key != "fc.weight"}
    yield "missing keys", cut, "missing fc.weight"
    yield "other shape", {**state, "fc.bias": torch.zeros(1000)}, r"'fc.bias' has shape \[1000\], expected \[1008\]"
    yield "not finite", {**state, "fc.bias": torch.full([1008], torch.nan)}, "'fc.bias' holds values that are not"
    yield "pickled object", {**state, "run": folder}, "not a plain file of tensors"


def test_a_weights_file_is_checked_before_it_is_used(weights, tmp_path):
    for name, content, says in broken_weights(weights, tmp_path):
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(InputError, match=says) as caught:
            extractors.build("adm", weights=tmp_path / "w.pth")
        assert str(tmp_path / "w.pth") in str(caught.value), name
        assert "\n" not in str(caught.value), name
    (tmp_path / "w.pth").write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"w.pth: not a plain file of tensors"):
        extractors.build("adm", weights=tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"nothing.pth: no such file"):
        extractors.build("adm", weights=tmp_path / "nothing.pth")


def test_efficientnet_features_are_those_of_its_own_forward():
    pytest.importorskip("efficientnet_lite_pytorch")
    extractor = extractors.build("efficientnet-lite0")
    pictures = images(2, size=224)
    found = extractor.extract(pictures)
    assert found["pool"].shape == (2, 1280)
    expected = extractor.network((pictures.float() - 127) / 128)
    assert torch.allclose(found["logits"], expected, atol=1e-4)
    assert not extractor.is_fid
    assert extractor.extract(images(1, size=64))["logits"].shape == (1, 1000)
