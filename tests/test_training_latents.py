"""Latents to train on: made from images, resumed, drawn, and refused where they do not fit."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_training_models
import torch
from PIL import Image
from training_files import latents_file, make_folder

from bench.cli import main
from bench.train.distributed import World
from bench.train.encoding import Encoding
from bench.train.images import open_images
from bench.train.latents import in_memory, open_latents
from models.errors import InputError

SPEC = tiny_training_models.tiny_dit
PLUGIN = ["--plugin", tiny_training_models.__file__]


def test_encoding_is_resumed_and_draws_mirror_images(tmp_path: Path) -> None:
    images, autoencoder = open_images(make_folder(tmp_path / "images"), SPEC), SPEC.pixels()
    out = tmp_path / "latents"
    worlds = [World(rank=rank, size=2) for rank in range(2)]
    for world in reversed(worlds):
        if world.rank == 0:
            with pytest.raises(InputError, match=r"holds 4 latents of 9; finish"):
                open_latents(out, SPEC)
        assert Encoding(SPEC, images, autoencoder, out, world, batch=2, per_file=4).run() == 3
    before = {file: file.stat().st_mtime_ns for file in out.iterdir()}
    Encoding(SPEC, images, autoencoder, out, World(), per_file=4).run()
    assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == before
    latents, labels = open_latents(out, SPEC).draw(200, torch.Generator().manual_seed(0))
    pixels = autoencoder.encode(images.read(range(9)))
    plain = torch.stack([(latents - x).flatten(1).abs().amax(1) < 1e-3 for x in pixels])
    mirrored = torch.stack([(latents - x.flip(-1)).flatten(1).abs().amax(1) < 1e-3 for x in pixels])
    assert (plain ^ mirrored).any(0).all()
    assert 60 < plain.any(0).sum() < 140
    assert torch.equal((plain | mirrored).int().argmax(0) // 3, labels)
    with pytest.raises(InputError, match="holds latents of other images"):
        Encoding(SPEC, open_images(make_folder(tmp_path / "other"), SPEC), autoencoder, out, World(), per_file=4).run()


def test_latents_of_images_that_changed_or_of_another_autoencoder_are_not_taken(tmp_path: Path) -> None:
    folder, autoencoder = make_folder(tmp_path / "images"), SPEC.pixels()
    Encoding(SPEC, open_images(folder, SPEC), autoencoder, tmp_path / "latents", World(), per_file=4).run()
    noise = np.random.default_rng(0).integers(0, 256, (20, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "b" / "1.png")
    with pytest.raises(InputError, match="holds latents of other images"):
        Encoding(SPEC, open_images(folder, SPEC), autoencoder, tmp_path / "latents", World(), per_file=4).run()
    make_folder(folder)
    other = SimpleNamespace(fingerprint="another", encode=autoencoder.encode)
    encoding = Encoding(SPEC, open_images(folder, SPEC), other, tmp_path / "latents", World(), per_file=4)
    with pytest.raises(InputError, match="holds latents of another autoencoder"):
        encoding.run()
    encoding.write(tmp_path / "latents" / "latents-00001.safetensors", range(4, 8))  # as earlier versions would
    with pytest.raises(InputError, match=r"made from different autoencoders: another; "):
        open_latents(tmp_path / "latents", SPEC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": torch.tensor([0, 1, 3, 0])}, r"label 3 lies outside 0\.\.2, the classes of tiny-dit"),
        ({"labels": torch.tensor([0, -1, 0, 0])}, "label -1 lies outside"),
        ({"labels": torch.zeros(4)}, "expected int64"),
        (
            {"latents": torch.zeros(4, 4, 8, 8)},
            r"'latents' is torch.float32 \[4, 4, 8, 8\], tiny-dit takes .*3, 8, 8\]",
        ),
        ({"mirrored": torch.zeros(3, 3, 8, 8)}, "'mirrored' is"),
        ({"latents": None}, "holds no 'latents'"),
    ],
)
def test_latents_that_do_not_fit(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_latents(latents_file(tmp_path / "x.safetensors", **changes), SPEC)


def test_latents_that_are_not_finite_are_found_when_drawn(tmp_path: Path) -> None:
    path = latents_file(tmp_path / "x.safetensors", latents=torch.full((4, 3, 8, 8), torch.nan))
    with pytest.raises(InputError, match=r"x\.safetensors: holds latents that are not finite"):
        open_latents(path, SPEC).draw(2, torch.Generator())


def test_draws_from_memory_are_with_replacement() -> None:
    data = in_memory(torch.arange(3.0).view(3, 1, 1, 1), torch.arange(3), "numbers")
    latents, labels = data.draw(30, torch.Generator().manual_seed(0))
    assert torch.equal(latents.view(-1).long(), labels)
    assert set(labels.tolist()) == {0, 1, 2}


def test_encode_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = make_folder(tmp_path / "images"), tmp_path / "latents"
    assert main(["encode", "tiny-dit", *PLUGIN, "--data", str(folder), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}: 9 images and their mirror images in 1 files\n"
    assert "ETA" in captured.err
    command = ["train", "tiny-dit", *PLUGIN, "--data", str(out), "--out", str(tmp_path / "model")]
    assert main([*command, "--steps", "2", "--batch", "4", "--dtype", "bf16"]) == 0
    assert "9 latents of 9 images" in (tmp_path / "model" / "card.json").read_text()
    assert (tmp_path / "model" / "samples.png").read_bytes().startswith(b"\x89PNG")
