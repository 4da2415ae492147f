"""Statistics that others published: ADM's reference batches and clean-fid's files."""

import numpy as np
import pytest
import torch

from bench.cli import main
from bench.quality import extractors
from bench.quality.extractors import inception
from bench.quality.features import published_statistics, reference_sets
from bench.quality.features.feature_set import FeatureSet
from models.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def few_dimensions(monkeypatch):
    """Checks of 2048 x 2048 covariances take seconds."""
    monkeypatch.setattr(published_statistics, "DIMENSIONS", {"pool": 24, "spatial": 12})


def statistics(spatial=True, seed=0):
    """Arrays of a published npz, in the original Inception's dimensions; of low rank."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for layer, (mean, covariance) in published_statistics.KEYS.items():
        if layer == "pool" or spatial:
            rows = rng.standard_normal((8, published_statistics.DIMENSIONS[layer])).astype(np.float32)
            arrays |= {mean: rows.mean(0), covariance: np.cov(rows, rowvar=False)}
    return arrays


def test_published_statistics_are_read_as_they_are(tmp_path, few_dimensions):
    arrays = statistics()
    np.savez(tmp_path / "VIRTUAL.npz", **arrays, arr_0=np.zeros((2, 4, 4, 3), np.uint8))
    adm = reference_sets.load(tmp_path / "VIRTUAL.npz")
    assert adm.fingerprint == inception.Adm.fingerprint_of(inception.INCEPTION_SHA256)
    assert np.array_equal(adm.spatial.mean, arrays["mu_s"].astype(np.float64))
    assert np.allclose(adm.pool.covariance, arrays["sigma"])
    assert (adm.samples, adm.features) == (None, None)
    with pytest.raises(InputError, match="is a reference set in 'adm' features, samples are in 'clean'"):
        reference_sets.load(tmp_path / "VIRTUAL.npz", features="clean")
    np.savez(tmp_path / "c.npz", **{key: arrays[key] for key in ("mu", "sigma")})
    for features, expected in ((None, inception.Clean), ("clean", inception.Clean), ("adm", inception.Adm)):
        found = reference_sets.load(tmp_path / "c.npz", features=features)
        assert (found.fingerprint, found.spatial) == (expected.fingerprint_of(), None)


def test_a_published_reference_is_only_compared_with_the_original_weights(tmp_path, few_dimensions, capsys):
    """Refused before anything is extracted: the samples would take hours."""
    np.savez(tmp_path / "VIRTUAL.npz", **statistics(spatial=False))
    np.savez(tmp_path / "s.npz", np.zeros((40, 32, 32, 1), np.uint8))
    files = [str(tmp_path / name) for name in ("s.npz", "VIRTUAL.npz")]
    assert main(["evaluate", *files, "--features", "digit-classifier"]) == 2
    err = capsys.readouterr().err
    assert "is a reference set in Inception features, samples are in 'digit-classifier'" in err


class Original:
    """Stands for the original Inception: its fingerprint, in few dimensions."""

    name, channels, fingerprint = "adm", 3, inception.Adm.fingerprint_of()

    def extract(self, images):
        return {"pool": images.flatten(1)[:, :24].float()}


def test_features_of_an_adm_files_own_images_are_extracted_when_asked_for(tmp_path, few_dimensions, cache):
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "VIRTUAL.npz", **statistics(), arr_0=images)
    assert reference_sets.load(tmp_path / "VIRTUAL.npz").features is None
    for _ in range(2):  # the second time they are kept ones
        found = reference_sets.load(tmp_path / "VIRTUAL.npz", features="adm", extractor=Original())
        assert torch.equal(found.features, torch.from_numpy(images).permute(0, 3, 1, 2).flatten(1)[:, :24].float())
    assert len(list(cache.iterdir())) == 1
    other = Original()
    other.fingerprint = "adm:inception-0123456789abcdef:torch-fidelity-0.4.0"
    assert reference_sets.load(tmp_path / "VIRTUAL.npz", extractor=other).features is None


def test_features_of_other_inception_weights_are_refused(tmp_path, few_dimensions, capsys):
    np.savez(tmp_path / "VIRTUAL.npz", **statistics())
    fingerprint = inception.Adm.fingerprint_of("0" * 64)
    FeatureSet(torch.ones(40, 24), fingerprint=fingerprint, images_sha256="sha").save(tmp_path / "s.safetensors")
    assert main(["evaluate", str(tmp_path / "s.safetensors"), str(tmp_path / "VIRTUAL.npz")]) == 2
    err = capsys.readouterr().err
    assert "features are not comparable: samples from 'adm:inception-0000000000000000" in err
    assert extractors.describe(fingerprint) == ("inception-00000000-adm", False)
    assert extractors.describe(inception.Clean.fingerprint_of()) == ("clean", True)


def test_published_references_are_fetched_by_name_or_address(tmp_path, few_dimensions, monkeypatch):
    np.savez(tmp_path / "VIRTUAL.npz", **statistics())
    asked = []
    monkeypatch.setattr(reference_sets, "fetch", lambda url: asked.append(url) or tmp_path / "VIRTUAL.npz")
    assert reference_sets.load("imagenet256").name == "imagenet256"
    reference_sets.load("https://example.org/stats.npz")
    assert asked[0].endswith("/imagenet/256/VIRTUAL_imagenet256_labeled.npz")
    assert asked[1] == "https://example.org/stats.npz"


def stored(tmp_path, capsys, *options):
    """The exit code of `ditbench reference`, the fingerprint it stored, and its one line where it refused."""
    out = tmp_path / "out.safetensors"
    code = main(["reference", *map(str, options), "--out", str(out)])
    err = capsys.readouterr().err
    assert (code == 0) == out.exists()
    return code, reference_sets.load(out).fingerprint if code == 0 else None, err


def test_what_a_file_does_not_say_of_its_features_has_to_be_said(tmp_path, few_dimensions, capsys):
    """A file without mu_s was stored as clean-fid's, whatever --features said."""
    np.savez(tmp_path / "s.npz", **statistics(spatial=False))
    code, _, err = stored(tmp_path, capsys, tmp_path / "s.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "s.npz: does not say of which features it is; state --features adm or clean" in err
    for features, kind in (("adm", inception.Adm), ("clean", inception.Clean)):  # and nothing is downloaded
        assert stored(tmp_path, capsys, tmp_path / "s.npz", "--features", features)[1] == kind.fingerprint_of()
        (tmp_path / "out.safetensors").unlink()
    np.savez(tmp_path / "adm.npz", **statistics())
    assert stored(tmp_path, capsys, tmp_path / "adm.npz")[1] == inception.Adm.fingerprint_of()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--keep", "100"], "--keep is for images; SOURCE is a reference set already"),
        (["--weights", "w.pth"], "--weights is for images; SOURCE is a reference set already"),
        (["--features", "clean"], "SOURCE: is a reference set in 'digit-classifier' features, not in 'clean'"),
    ],
)
def test_an_option_that_a_reference_could_only_ignore_is_refused(tmp_path, capsys, options, says):
    code, _, err = stored(tmp_path, capsys, "mnist-5000", *options)
    assert (code, err.count("\n")) == (2, 1)
    assert says.replace("SOURCE", "mnist-5000") in err


@pytest.mark.parametrize("key", ["mu_s", "sigma_s"])
def test_half_of_the_spatial_statistics_is_refused(tmp_path, few_dimensions, key):
    arrays = statistics()
    arrays.pop(key)
    np.savez(tmp_path / "r.npz", **arrays)
    with pytest.raises(InputError, match=rf"r\.npz: '{key}' is missing, its other half is there"):
        reference_sets.load(tmp_path / "r.npz", features="adm")


def asymmetric(sigma):
    sigma = sigma.copy()
    sigma[0, 1] += 1
    return sigma


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.pop("sigma"), "a reference needs 'mu' and 'sigma', got mu"),
        (lambda a: a.update(mu=a["mu"][:20]), r"'mu' must be floats of shape \[24\], got float32 \[20\]"),
        (lambda a: a.update(sigma=a["sigma"][:20]), r"'sigma' must be floats of shape \[24, 24\]"),
        (lambda a: a.update(mu=np.array([{}], dtype=object)), "not a readable npz of statistics"),
        (lambda a: a.update(mu=np.full(24, np.nan)), "pool moments: NaN or infinity in the mean"),
        (lambda a: a.update(sigma=asymmetric(a["sigma"])), "pool moments: the covariance is not symmetric"),
        (lambda a: a.update(sigma=-a["sigma"]), "not positive semidefinite"),
    ],
)
def test_published_statistics_are_valid_or_refused(tmp_path, few_dimensions, change, says):
    arrays = statistics(spatial=False)
    change(arrays)
    np.savez(tmp_path / "r.npz", **arrays)
    with pytest.raises(InputError, match=rf"r.npz: .*{says}") as caught:
        reference_sets.load(tmp_path / "r.npz")
    assert "\n" not in str(caught.value)
