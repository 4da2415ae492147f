"""`ditbench sample`: several workers make the same bytes as one, and a run afterwards only measures."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tiny_training_models
import torch
from digit_suite import CACHED, write_files
from PIL import Image
from safetensors.torch import load_file
from tiny_suite import command, ditbench, environment

from bench import cli
from bench.quality.images.digest import image_digests
from bench.run.sample_run import LAUNCHERS, own_device, worker_share
from models.errors import InputError
from models.spec import build_random


def shards(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("samples/*/*/*/*.safetensors"))}


def cell_of(out: Path, slug: str) -> dict:
    return json.loads((out / "cells" / "tiny-digits" / f"{slug}.json").read_text())


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """Three shards of each of two cells, made by two workers at once."""
    folder = tmp_path_factory.mktemp("sample")
    arguments = write_files(folder, samples=1100, batch=256, cells=CACHED)
    line = command("sample", *arguments, "--out", folder / "two")
    workers = [
        subprocess.Popen(
            line, env=environment() | {"RANK": str(i), "WORLD_SIZE": "2"}, stderr=subprocess.PIPE, text=True
        )
        for i in range(2)
    ]
    said = [worker.communicate(timeout=200)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    return folder, arguments, said


def test_two_workers_make_the_bytes_of_one_run(sampled):
    folder, arguments, said = sampled
    before = shards(folder / "two")
    names = [f"{kind}/{start:08d}.safetensors" for kind in ("features", "latents") for start in (0, 512, 1024)]
    slugs = ("ddim-3", "ddim-3+fora-interval-2")
    assert set(before) == {f"samples/tiny-digits/{slug}/{name}" for slug in slugs for name in names}
    assert "sampled in" in said[0]
    assert "left" in said[0], "an estimate of the time that is left"
    assert said[1] == "", "one worker speaks for all"
    assert not list((folder / "two").glob(".*.lock"))
    assert ditbench("run", *arguments, "--out", folder / "one").returncode == 0
    assert shards(folder / "one") == before


def test_a_run_only_measures_what_is_sampled_and_makes_anew_what_is_damaged(sampled):
    folder, arguments, _ = sampled
    out = folder / "two"
    before = shards(out)
    latents = out / "samples" / "tiny-digits" / "ddim-3" / "latents"
    features = out / "samples" / "tiny-digits" / "ddim-3" / "features"
    (latents / "00000512.safetensors").write_bytes(b"damaged")
    (features / "00000512.safetensors").unlink()
    times = {path: path.stat().st_mtime_ns for path in out.glob("samples/*/*/*/*.safetensors")}
    assert ditbench("run", *arguments, "--out", out).returncode == 0
    changed = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == {latents / "00000512.safetensors"}, "every other shard is used as it is"
    assert shards(out) == before
    quality = cell_of(out, "ddim-3+fora-interval-2")["quality"]
    assert quality["samples"] == 1100
    assert quality["features"] == "digit-classifier"
    assert quality["fd"] > 0
    assert quality["ode_error"] > 0
    assert quality["latent_error"] == quality["latent_error_reference"] > 0
    shown = load_file(out / "samples" / "tiny-digits" / "ddim-3.safetensors")["images"]
    assert shown.shape == (40, 1, 32, 32)


def test_samples_may_be_judged_anew_without_sampling(tmp_path):
    arguments = write_files(tmp_path)
    out = tmp_path / "out"
    none = ditbench("run", *arguments, "--out", out, "--features", "none")
    assert "no distribution metrics: the suite wants no features" in none.stderr
    quality = cell_of(out, "ddim-3")["quality"]
    assert quality["omitted"]["fd"] == "the suite wants no features"
    assert "fd" not in quality
    latents = out / "samples" / "tiny-digits" / "ddim-3" / "latents" / "00000000.safetensors"
    before = latents.stat().st_mtime_ns
    assert "1 to run" in ditbench("run", *arguments, "--out", out).stderr
    assert cell_of(out, "ddim-3")["quality"]["fd"] > 0
    assert latents.stat().st_mtime_ns == before


SMALL = """name = "small"
[protocol]
samples = 32
sampling_batch = 32
timing = { batch = 1, rounds = 2, seconds = 0.0 }
[[cells]]
models = "tiny-dit"
sampler = { name = "ddim", steps = 3 }
cache = { name = "fora", interval = 2 }
"""


def test_a_cell_says_why_its_small_images_have_no_ssim(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)
    state = build_random(tiny_training_models.tiny_dit).state_dict()
    torch.save({key: value + 0.05 * torch.randn(value.shape) for key, value in state.items()}, tmp_path / "w.pt")
    words = [tmp_path / "small.toml", "--plugin", tiny_training_models.__file__, "--weights", tmp_path / "w.pt"]
    done = ditbench("run", *words, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    quality = json.loads((tmp_path / "out/cells/tiny-dit/ddim-3+fora-interval-2.json").read_text())["quality"]
    assert quality["psnr"] > 0
    assert "ssim" not in quality
    assert quality["omitted"]["ssim"] == "the images are smaller than SSIM's window of 11 × 11 pixels"


MISTAKES = {
    "--features adn": "did you mean 'adm'?",
    "--reference nowhere.npz": "nowhere.npz: no such reference file",
    "--inception nowhere.pth": "--inception nowhere.pth: no such file",
    "--features digit-classifier --inception {plugin}": "tiny-digits: ",
    "--weights random": "nothing to sample: random weights",
    "--device cuda:99": "CUDA devices",
    "--threads 0": "--threads must lie in",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_what_cannot_be_had_is_said_before_sampling(line, tmp_path, capsys):
    arguments = write_files(tmp_path)
    words = [word.format(plugin=tmp_path / "digits_plugin.py") for word in line.split()]
    assert cli.main(["sample", *arguments, "--out", str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert MISTAKES[line] in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out/samples/*"))


@pytest.fixture
def unlaunched(monkeypatch):
    for _, *names in LAUNCHERS:
        for name in names:
            monkeypatch.delenv(name, raising=False)


def test_a_worker_knows_its_place(unlaunched, monkeypatch):
    assert (worker_share().number, worker_share().of) == (0, 1)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match=r"RANK must lie in 0\.\.2"):
        worker_share()
    monkeypatch.setenv("RANK", "x")
    with pytest.raises(InputError, match="integers"):
        worker_share()


def test_a_task_of_srun_knows_its_place_and_a_batch_script_is_alone(unlaunched, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert worker_share().of == 1, "not started by srun"
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    assert (worker_share().number, worker_share().of) == (1, 2)
    monkeypatch.setenv("SLURM_PROCID", "x")
    with pytest.raises(InputError, match="SLURM_PROCID and SLURM_STEP_NUM_TASKS must be integers, as srun"):
        worker_share()
    monkeypatch.setenv("SLURM_LOCALID", "x")
    with pytest.raises(InputError, match="SLURM_LOCALID must be an integer, got 'x'"):
        own_device("cuda")


@pytest.mark.parametrize(("name", "rank", "size", "local"), LAUNCHERS)
def test_every_launchers_processes_share_the_work(name, rank, size, local, unlaunched, monkeypatch):
    """mpirun's helpers may be tasks of srun: what those are told is not meant for us."""
    if name == "mpirun":
        monkeypatch.setenv("SLURM_PROCID", "0")
        monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    for variable, value in ((rank, "2"), (size, "4"), (local, "1")):
        monkeypatch.setenv(variable, value)
    assert (worker_share().number, worker_share().of) == (2, 4)
    with pytest.raises(InputError, match=f"under {name} each worker takes its own GPU"):
        own_device("cuda:1")


@pytest.mark.parametrize(("visible", "own"), [("", "1"), ("4,6", "6")])
def test_a_worker_sees_its_own_gpu_alone(visible, own, unlaunched, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    own_device("cpu")
    own_device("cuda")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == own
    with pytest.raises(InputError, match="say --device cuda"):
        own_device("cuda:1")


@pytest.mark.parametrize("kind", ["png", "npz"])
def test_kept_images_are_those_of_the_stream(kind, tmp_path):
    arguments = write_files(tmp_path, samples=70, batch=32, quality=f'images = "{kind}"\nfeatures = "none"')
    out = tmp_path / "out"
    assert ditbench("run", *arguments, "--out", out).returncode == 0
    folder = out / "images" / "tiny-digits"
    if kind == "png":
        paths = sorted((folder / "ddim-3").iterdir())
        assert [path.name for path in paths] == [f"{i:06d}.png" for i in range(70)]
        images = np.stack([np.asarray(Image.open(path)) for path in paths])[..., None]
    else:
        assert [path.name for path in folder.iterdir() if not path.is_dir()] == ["ddim-3.npz"]
        images = np.load(folder / "ddim-3.npz", allow_pickle=False)["arr_0"]
    assert (images.dtype, images.shape) == (np.uint8, (70, 32, 32, 1))
    stored = load_file(out / "samples" / "tiny-digits" / "ddim-3" / "features" / "00000000.safetensors")["sha256"]
    assert torch.equal(image_digests(torch.from_numpy(images).permute(0, 3, 1, 2)), stored)
    shown = load_file(out / "samples" / "tiny-digits" / "ddim-3.safetensors")["images"]
    assert np.array_equal(images[:40], shown.permute(0, 2, 3, 1).numpy())
