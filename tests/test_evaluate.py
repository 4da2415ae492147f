"""`ditbench evaluate` and `ditbench reference`: metrics of images of any origin, without a model."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cli import main
from bench.quality import extractors
from bench.quality.assessment import compare_pairs
from bench.quality.distribution import distribution_metrics
from bench.quality.features import reference_set, reference_sets
from bench.quality.features.feature_set import extract_features
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
    expected = distribution_metrics(features_of(samples), reference_set.from_features(features_of(real), npz), [1] * 40)
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
    made = reference_sets.load(stored)
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
