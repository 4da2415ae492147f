"""The small colour models: their size, their classes, and a few steps of their training on pictures of noise."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

import models
from bench.cli import main
from bench.suite import file as suite
from bench.train import card
from models.spec import build_empty
from models.tiny_imagenet import CLASSES

NAMES = ("dit-imagenet32", "uvit-imagenet32")


@pytest.mark.parametrize("name", NAMES)
def test_they_are_small_enough_to_ship(name: str) -> None:
    model = build_empty(models.spec(name))
    assert 8e6 <= sum(p.numel() for p in model.parameters()) <= 10e6  # 20 MB in float16
    assert model.null_label == 50
    assert model.token_shape()[0] >= 256


def test_classes_are_50_folders_of_the_public_dataset() -> None:
    assert len(set(CLASSES)) == 50
    assert list(CLASSES) == sorted(CLASSES)
    assert all(name[0] == "n" and name[1:].isdigit() and len(name) == 9 for name in CLASSES)


def test_the_suite_names_both() -> None:
    cells = suite.load("imagenet32").cells
    assert {cell.model for cell in cells} == set(NAMES)
    assert {cell.cache.name for cell in cells if cell.cache} >= {"fora", "deepcache", "faster-diffusion"}


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_of_training(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the layout of the public dataset, which has 200 classes; float32, because few CPUs multiply bfloat16."""
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    for i, folder in enumerate([*CLASSES, "n00000000", "n99999999"]):
        path = tmp_path / "tiny-imagenet-200" / "train" / folder / "images" / f"{folder}_0.JPEG"
        path.parent.mkdir(parents=True)
        Image.fromarray(noise[i % 4]).save(path)
    drawn = []
    monkeypatch.setattr(card, "draw_samples", lambda *given: drawn.append(given))
    monkeypatch.setattr("bench.train.run.JUDGED_BATCHES", 1)
    out = tmp_path / "out"
    command = ["train", name, "--data", str(tmp_path / "tiny-imagenet-200"), "--out", str(out)]
    assert models.spec(name).training["dtype"] == "bfloat16"
    assert main([*command, "--steps", "2", "--batch", "2", "--dtype", "float32"]) == 0
    written = json.loads((out / "card.json").read_text())
    assert written["data"].startswith("50 images of 50 classes in tiny-imagenet-200")
    assert drawn[0][0] == name
    assert (out / "weights.safetensors").stat().st_size <= 20e6
    assert load_file(out / "weights.safetensors").keys() == build_empty(models.spec(name)).state_dict().keys()
    assert models.build(name, weights=out / "weights.safetensors").name == name
