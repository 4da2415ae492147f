"""`ditbench evaluate` and `ditbench reference`: metrics of images of any origin, without a model."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench import extraction, extractors, published_statistics, reference
from bench.cli import main
from bench.evaluation import compare_pairs
from bench.extractors import inception
from bench.features import FeatureSet, extract_features
from bench.images import open_images
from bench.quality import evaluate
from models.errors import InputError

DIGITS = ["--features", "digit-classifier"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def grey(n, seed=0):
    """Grey strokes uint8 [n,32,32,1]."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, 32, 32, 1), dtype=np.uint8)
    for image in images:
        x, y = rng.integers(4, 24, 2)
        image[x : x + 8, y : y + 3] = rng.integers(100, 256)
    return images


def write_npz(path, images):
    np.savez(path, images)
    return str(path)


def write_folder(folder, images):
    folder.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image.squeeze()).save(folder / f"{i:03}.png")
    return str(folder)


def run(capsys, *argv):
    code = main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def features_of(images):
    return extract_features(extractors.build("digit-classifier"), torch.from_numpy(images).permute(0, 3, 1, 2))


def test_the_whole_table_of_two_sets_of_images(tmp_path, capsys):
    samples, real = grey(40), grey(48, seed=1)
    folder, npz = write_folder(tmp_path / "s", samples), write_npz(tmp_path / "r.npz", real)
    (tmp_path / "labels.txt").write_text("\n".join("1" * 40))
    code, out, err = run(capsys, "evaluate", folder, npz, *DIGITS, "--labels", str(tmp_path / "labels.txt"), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    expected = evaluate(features_of(samples), reference.from_features(features_of(real), npz), [1] * 40)
    assert found.keys() >= expected.keys()
    for key in ("fd", "fd_se", "fd_corrected", "is", "precision", "recall", "kid", "accuracy"):
        assert found[key] == pytest.approx(expected[key], rel=1e-4), key  # of images in batches of another size
    assert found["images_sha256"] == expected["images_sha256"]
    assert (found["features"], found["is_fid"], found["reference"]) == ("digit-classifier", False, npz)
    code, table, _ = run(capsys, "evaluate", folder, npz, *DIGITS)
    assert code == 0
    for shown in ("FD (n=40)", "IS (n=40)", "KID (n=40)", "precision (n=40)", "no sfd: the extractor has no spatial"):
        assert shown in table
    assert "FID (" not in table  # these are not the weights of FID


def test_a_stored_reference_gives_the_same_numbers_as_its_images(tmp_path, capsys):
    samples, real = write_npz(tmp_path / "s.npz", grey(40)), write_folder(tmp_path / "real", grey(48, seed=1))
    stored = str(tmp_path / "real.safetensors")
    assert run(capsys, "reference", real, "--out", stored, *DIGITS, "--batch", "7")[0] == 0
    made = reference.load(stored)
    assert (made.name, made.samples, len(made.features)) == ("real", 48, 48)
    _, from_images, _ = run(capsys, "evaluate", samples, real, *DIGITS, "--json")
    _, from_file, _ = run(capsys, "evaluate", samples, stored, *DIGITS, "--json")
    one, other = json.loads(from_images), json.loads(from_file)
    for key in ("fd", "is", "precision", "recall", "kid"):
        assert other[key] == pytest.approx(one[key], rel=1e-4), key
    for key in ("reference_sha256", "reference_samples", "images_sha256"):
        assert other[key] == one[key]


def test_stored_features_are_samples_too_and_named_references_are_known(tmp_path, capsys):
    features_of(grey(40)).save(tmp_path / "s.safetensors")
    code, out, _ = run(capsys, "evaluate", str(tmp_path / "s.safetensors"), "mnist-5000", "--json")
    found = json.loads(out)
    assert (code, found["samples"], found["reference_samples"], found["reference"]) == (0, 40, 5000, "mnist-5000")
    assert found["fd"] > 0


def test_without_a_reference_there_is_the_inception_score(tmp_path, capsys):
    code, out, _ = run(capsys, "evaluate", write_npz(tmp_path / "s.npz", grey(40)), *DIGITS, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["is"] >= 1
    assert found["reference"] is None
    assert "fd" not in found


def test_pairs_of_images_need_no_features(tmp_path, capsys):
    one, other = grey(12), grey(12)
    other[3] ^= 8
    folders = write_folder(tmp_path / "a", one), write_folder(tmp_path / "b", other)
    code, out, _ = run(capsys, "evaluate", *folders, "--paired", "--features", "none", "--json")
    found = json.loads(out)
    assert (code, found["pairs"], found["identical"]) == (0, 12, 11)
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / (8**2 / 12)))
    assert 0.9 < found["ssim"] < 1
    assert "PSNR (12 pairs)" in run(capsys, "evaluate", *folders, "--paired", "--features", "none")[1]


def test_what_does_not_belong_together_is_no_pair(tmp_path):
    a, b = write_folder(tmp_path / "a", grey(4)), write_folder(tmp_path / "b", grey(5))
    with pytest.raises(InputError, match=r"a holds 4 images, .*b 5"):
        compare_pairs(a, b)
    (tmp_path / "b" / "002.png").unlink()
    with pytest.raises(InputError, match=r"'002' of .*a meets '003' of .*b"):
        compare_pairs(a, b)
    with pytest.raises(InputError, match=r"have shapes \[1, 32, 32\] against \[1, 16, 16\]"):
        compare_pairs(a, write_npz(tmp_path / "c.npz", grey(4)[:, ::2, ::2]))


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
    source = open_images(write_npz(tmp_path / "s.npz", grey(3)))
    counting = Counting()
    found = extraction.features_of(source, counting)
    file = extraction.kept_file(found.fingerprint, found.images_sha256)
    FeatureSet(found.pool + 1, fingerprint="counting:1", images_sha256="others").save(file)
    assert torch.equal(extraction.features_of(source, counting).pool, found.pool)
    file.write_bytes(b"damaged")
    assert torch.equal(extraction.features_of(source, counting).pool, found.pool)
    assert counting.seen == 9


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
    adm = reference.load(tmp_path / "VIRTUAL.npz")
    assert adm.fingerprint == inception.Adm.fingerprint_of(inception.OFFICIAL)
    assert np.array_equal(adm.spatial.mean, arrays["mu_s"].astype(np.float64))
    assert np.allclose(adm.pool.covariance, arrays["sigma"])
    assert (adm.samples, adm.features) == (None, None)
    with pytest.raises(InputError, match="is a reference in 'adm' features, samples are in 'clean'"):
        reference.load(tmp_path / "VIRTUAL.npz", features="clean")
    np.savez(tmp_path / "c.npz", **{key: arrays[key] for key in ("mu", "sigma")})
    for features, expected in ((None, inception.Clean), ("clean", inception.Clean), ("adm", inception.Adm)):
        found = reference.load(tmp_path / "c.npz", features=features)
        assert (found.fingerprint, found.spatial) == (expected.fingerprint_of(), None)


def test_a_published_reference_is_only_compared_with_the_original_weights(tmp_path, few_dimensions, capsys):
    """Refused before anything is extracted: the samples would take hours."""
    np.savez(tmp_path / "VIRTUAL.npz", **statistics(spatial=False))
    samples = write_npz(tmp_path / "s.npz", grey(40))
    code, _, err = run(capsys, "evaluate", samples, str(tmp_path / "VIRTUAL.npz"), *DIGITS)
    assert code == 2
    assert "is a reference in Inception features, samples are in 'digit-classifier'" in err


class Original:
    """Stands for the original Inception: its fingerprint, in few dimensions."""

    name, channels, fingerprint = "adm", 3, inception.Adm.fingerprint_of()

    def extract(self, images):
        return {"pool": images.flatten(1)[:, :24].float()}


def test_features_of_an_adm_files_own_images_are_extracted_when_asked_for(tmp_path, few_dimensions, cache):
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "VIRTUAL.npz", **statistics(), arr_0=images)
    assert reference.load(tmp_path / "VIRTUAL.npz").features is None
    for _ in range(2):  # the second time they are kept ones
        found = reference.load(tmp_path / "VIRTUAL.npz", features="adm", extractor=Original())
        assert torch.equal(found.features, torch.from_numpy(images).permute(0, 3, 1, 2).flatten(1)[:, :24].float())
    assert len(list(cache.iterdir())) == 1
    other = Original()
    other.fingerprint = "adm:inception-0123456789abcdef:torch-fidelity-0.4.0"
    assert reference.load(tmp_path / "VIRTUAL.npz", extractor=other).features is None


def test_features_of_other_inception_weights_are_refused(tmp_path, few_dimensions, capsys):
    np.savez(tmp_path / "VIRTUAL.npz", **statistics())
    fingerprint = inception.Adm.fingerprint_of("0" * 64)
    FeatureSet(torch.ones(40, 24), fingerprint=fingerprint, images_sha256="sha").save(tmp_path / "s.safetensors")
    code, _, err = run(capsys, "evaluate", str(tmp_path / "s.safetensors"), str(tmp_path / "VIRTUAL.npz"))
    assert code == 2
    assert "features are not comparable: samples from 'adm:inception-0000000000000000" in err
    assert extractors.describe(fingerprint) == ("inception-00000000-adm", False)
    assert extractors.describe(inception.Clean.fingerprint_of()) == ("clean", True)


def test_published_references_are_fetched_by_name_or_address(tmp_path, few_dimensions, monkeypatch):
    np.savez(tmp_path / "VIRTUAL.npz", **statistics())
    asked = []
    monkeypatch.setattr(reference, "fetch", lambda url: asked.append(url) or tmp_path / "VIRTUAL.npz")
    assert reference.load("imagenet256").name == "imagenet256"
    reference.load("https://example.org/stats.npz")
    assert asked[0].endswith("/imagenet/256/VIRTUAL_imagenet256_labeled.npz")
    assert asked[1] == "https://example.org/stats.npz"


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
        reference.load(tmp_path / "r.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["nowhere"], "nowhere: no such folder or file"),
        (["s.npz", "imagenet265", *DIGITS], "did you mean 'imagenet256'"),
        (["s.npz", "--features", "digit-clasifier"], "did you mean 'digit-classifier'"),
        (["s.npz", *DIGITS, "--weights", "gone.pth"], "gone.pth: no such file of weights"),
        (["s.npz", *DIGITS, "--batch", "0"], "--batch must lie in"),
        (["s.npz", *DIGITS, "--labels", "gone.txt"], "gone.txt: not a readable file of labels"),
        (["s.npz", "s.npz", *DIGITS, "--labels", "few.txt"], "labels must be 40 integers, got int64 [2]"),
        (["s.npz", "one.npz", *DIGITS], "needs at least 2 samples, got 1"),
        (["one.npz", "s.npz", *DIGITS], "at least 32 samples, got 1"),
        (["s.npz", "--features", "none"], "leaves nothing to compute without --paired"),
        (["s.npz", "--paired"], "--paired needs a second set"),
        (["s.npz", "--device", "tpu"], "--device must be cpu or cuda"),
        (["rgb.npz", *DIGITS], "images have 3 channels, expected 1"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, argv, says):
    monkeypatch.chdir(tmp_path)
    write_npz("s.npz", grey(40)), write_npz("one.npz", grey(1))
    write_npz("rgb.npz", np.zeros((40, 32, 32, 3), np.uint8))
    (tmp_path / "few.txt").write_text("1\n2\n")
    code, out, err = run(capsys, "evaluate", *argv)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_the_documented_commands_run(tmp_path, monkeypatch, capsys):
    docs = Path(__file__).parents[1] / "docs" / "evaluate.md"
    commands = docs.read_text(encoding="utf-8").split("<!-- run by tests/test_evaluate.py -->\n```sh\n")[1]
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "samples", grey(40)), write_folder(tmp_path / "real", grey(40, seed=1))
    lines = commands.split("```")[0].splitlines()
    assert len(lines) == 4
    for line in lines:
        command, *argv = shlex.split(line)
        assert (command, main(argv)) == ("ditbench", 0), line
    assert "FD (n=40)" in capsys.readouterr().out


def test_a_reference_is_stored_whole_or_refused(tmp_path, capsys):
    write_npz(tmp_path / "one.npz", grey(1))
    for argv, says in (
        ([str(tmp_path / "one.npz"), "--out", str(tmp_path / "r.safetensors")], "at least 2 images, got 1"),
        ([str(tmp_path / "one.npz"), "--out", str(tmp_path / "r.npz")], "--out must end in .safetensors"),
        (["mnist-5000", "--out", str(tmp_path / "r.safetensors"), "--keep", "1"], "--keep must be at least 4"),
    ):
        code, _, err = run(capsys, "reference", *argv, *DIGITS)
        assert code == 2
        assert says in err
    assert not list(tmp_path.glob("r.*"))
