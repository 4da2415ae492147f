"""`ditbench evaluate` leaves nothing out in silence: labels are used or refused, missing metrics have their reason."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cli import main
from bench.quality import extractors
from bench.quality.features.feature_set import FeatureSet, extract_features

DIGITS = ["--features", "digit-classifier", "--no-cache"]


def noise(count: int, side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 1), dtype=np.uint8)


def run(capsys, *argv: str) -> tuple[int, str, str]:
    code = main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path / "cache"))
    np.savez("s.npz", noise(40))
    np.savez("r.npz", noise(40, seed=1))
    found = extract_features(extractors.build("digit-classifier"), torch.from_numpy(noise(40)).permute(0, 3, 1, 2))
    labels = found.logits.argmax(1)
    Path("right.txt").write_text("\n".join(map(str, labels.tolist())))
    np.save("half.npy", torch.where(torch.arange(40) < 20, labels, (labels + 1) % 10).numpy())
    for name, content in {"few": "1\n2\n", "999": "1\n" * 39 + "999", "negative": "1\n" * 39 + "-1"}.items():
        Path(f"{name}.txt").write_text(content)
    return tmp_path


@pytest.mark.parametrize("reference", [[], ["r.npz"]])
@pytest.mark.parametrize(("labels", "accuracy"), [("right.txt", 1.0), ("half.npy", 0.5)])
def test_labels_give_the_accuracy_with_and_without_a_reference(folder, capsys, reference, labels, accuracy) -> None:
    code, out, _ = run(capsys, "evaluate", "s.npz", *reference, *DIGITS, "--labels", labels, "--json")
    found = json.loads(out)
    assert (code, found["accuracy"]) == (0, accuracy)
    assert "accuracy" not in found["omitted"]
    assert "accuracy (n=40)" in run(capsys, "evaluate", "s.npz", *reference, *DIGITS, "--labels", labels)[1]


@pytest.mark.parametrize("reference", [[], ["r.npz"]])
@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("few.txt", "labels must be 40 integers, got int64 [2]"),
        ("999.txt", "labels must lie in [0, 9], got 1 to 999"),
        ("negative.txt", "labels must lie in [0, 9], got -1 to 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_and_without_a_reference(
    folder, capsys, reference, labels, says
) -> None:
    code, out, err = run(capsys, "evaluate", "s.npz", *reference, *DIGITS, "--labels", labels)
    assert (code, out) == (2, "")
    assert says in err


def test_what_a_reference_would_give_has_its_reason(folder, capsys) -> None:
    found = json.loads(run(capsys, "evaluate", "s.npz", *DIGITS, "--json")[1])
    wanted = dict.fromkeys(("fd", "sfd", "precision", "recall", "kid"), "no REFERENCE was given")
    assert found["omitted"] == wanted | {"accuracy": "no labels were given"}
    assert found["accuracy"] is None
    assert "no fd, sfd, precision, recall, kid: no REFERENCE was given" in run(capsys, "evaluate", "s.npz", *DIGITS)[1]


def test_labels_of_other_classes_than_the_extractors_have_their_reason(folder, capsys) -> None:
    features = FeatureSet(torch.randn(40, 8), torch.randn(40, 1008), fingerprint="adm:inception-x:y", images_sha256="z")
    features.save("s.safetensors")
    found = json.loads(run(capsys, "evaluate", "s.safetensors", "--labels", "right.txt", "--json")[1])
    assert (found["accuracy"], found["omitted"]["accuracy"]) == (None, "the extractor's classes are not the labels'")


@pytest.mark.parametrize("features", [["--features", "none"], DIGITS])
def test_pairs_below_ssims_window_have_their_reason(folder, capsys, features) -> None:
    if features is DIGITS:  # 32 pixels: SSIM is there
        found = json.loads(run(capsys, "evaluate", "s.npz", "r.npz", "--paired", *DIGITS, "--json")[1])
        assert "ssim" not in found["omitted"]
        assert found["omitted"]["sfd"] == "the extractor has no spatial features"
        assert found["ssim"] is not None
        return
    np.savez("small.npz", noise(40, 10)), np.savez("other.npz", noise(40, 10, seed=1))
    command = ["evaluate", "small.npz", "other.npz", "--paired", *features]
    found = json.loads(run(capsys, *command, "--json")[1])
    assert found["ssim"] is None
    assert found["omitted"] == {"ssim": "the images are smaller than SSIM's window of 11 × 11 pixels"}
    table = run(capsys, *command)[1]
    assert "no ssim: the images are smaller" in table
    assert "SSIM (" not in table


@pytest.mark.parametrize("option", ["--labels", "--weights"])
def test_an_option_that_would_do_nothing_is_refused(folder, capsys, option) -> None:
    command = ["evaluate", "s.npz", "r.npz", "--paired", "--features", "none", option, "right.txt"]
    code, _, err = run(capsys, *command)
    assert code == 2
    assert f"{option} is of no use with --features none" in err


def test_two_images_of_one_name_are_no_pair(folder, capsys) -> None:
    for name, suffixes in {"a": ("png", "bmp"), "b": ("png", "webp")}.items():
        Path(name).mkdir()
        for suffix in suffixes:
            Image.fromarray(noise(1)[0, ..., 0]).convert("RGB").save(f"{name}/0.{suffix}")
    code, _, err = run(capsys, "evaluate", "a", "b", "--paired", "--features", "none")
    assert code == 2
    assert "'0' of a is there with 2 suffixes" in err
