"""The whole path of the full-size models, tiny: fetch, train routers, sample, decode, judge, measure, report."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import large_plugin
import numpy as np
import pytest
import torch
from file_server import Files, serving
from PIL import Image
from tiny_suite import command, environment

from models.spec import build_random

PLUGIN = ["--plugin", large_plugin.__file__]
SUITE = """
name = "large"
reference = {{ name = "ddim", steps = 2 }}
[protocol]
samples = 600
sampling_batch = 256
[protocol.timing]
batch = 1
rounds = 2
seconds = 0.0
[protocol.quality]
features = "projection"
reference = "{reference}"
images = "npz"
[[cells]]
models = ["large-dit", "large-uvit"]
sampler = {{ name = "ddim", steps = 2 }}
[[cells]]
models = "large-dit"
sampler = {{ name = "ddim", steps = 2 }}
cache = {{ name = "l2c", router = "{folder}/large-dit.safetensors" }}
[[cells]]
models = "large-uvit"
sampler = {{ name = "ddim", steps = 2 }}
cache = {{ name = "l2c", router = "{folder}/large-uvit.safetensors" }}
"""


def published(folder: Path) -> dict[str, bytes]:
    """What the server has: both denoisers' weights, and an autoencoder in diffusers' layout."""
    from diffusers import AutoencoderKL

    content = {}
    torch.manual_seed(0)
    for spec in large_plugin.specs:
        state = {name: torch.randn(tensor.shape) * 0.1 for name, tensor in build_random(spec).state_dict().items()}
        torch.save(state, folder / "weights.pt")
        content[f"/{spec.name}.pt"] = (folder / "weights.pt").read_bytes()
    AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), norm_num_groups=4, layers_per_block=1, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(folder / "vae")  # fmt: skip
    for file in ("config.json", "diffusion_pytorch_model.safetensors"):
        content[f"/stabilityai/sd-vae-ft-ema/resolve/main/{file}"] = (folder / "vae" / file).read_bytes()
    return content


def start(line: list[str], settings: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(line, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(*processes: subprocess.Popen) -> None:
    for process in processes:
        _, error = process.communicate(timeout=250)
        assert process.returncode == 0, error


def two_workers(*arguments: object) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "bench"]
    return [*launcher, *map(str, arguments)]


def train(name: str, folder: Path) -> list[str]:
    options = ["--steps", "2", "--l1", "0.5", "--iterations", "4", "--batch", "4", "--samples", "8"]
    data = ["--data", "generated", "--weights", "official", "--out", folder / f"{name}.safetensors"]
    return two_workers("train-router", name, *PLUGIN, *options, *data)


def real_images(folder: Path) -> Path:
    """What the samples are compared with."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index}.png")
    return folder


def test_from_published_weights_to_the_report(tmp_path):
    pytest.importorskip("diffusers")
    reference, out = tmp_path / "real.safetensors", tmp_path / "out"
    suite = tmp_path / "large.toml"
    suite.write_text(SUITE.format(reference=reference, folder=tmp_path))
    with serving(Files(published(tmp_path))) as server:
        own = {"LARGE_SERVER": server.url, "HF_ENDPOINT": server.url, "DITBENCH_CACHE": str(tmp_path / "cache")}
        settings = environment() | own
        words = ["reference", real_images(tmp_path / "real"), "--features", "projection", "--out", reference, *PLUGIN]
        finish(*(start(train(spec.name, tmp_path), settings) for spec in large_plugin.specs))
        finish(start(command(*words), settings))
        options = [suite, *PLUGIN, "--weights", "official", "--out", out]
        finish(start(two_workers("sample", *options), settings))
        shards = {path: path.stat().st_mtime_ns for path in out.glob("samples/*/*/*/*.safetensors")}
        assert len(shards) == 4 * 2 * 2, "four cells, latents and features, two shards"
        finish(start(command("run", *options), settings))
    assert sorted(path for path, _ in set(server.requests)) == sorted(server.content), "each file, fetched once"
    assert {path: path.stat().st_mtime_ns for path in shards} == shards, "the run samples nothing again"
    check_results(out)


def check_results(out: Path) -> None:
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["ok"] * 4, [row["reason"] for row in rows]
    for row in rows:
        assert (row["features"], row["samples"]) == ("projection", "600")
        assert float(row["fd"]) > 0
        assert float(row["latency_ms"]) > 0
        cell = json.loads((out / "cells" / row["model"] / f"{row['slug']}.json").read_text())
        assert len(cell["settings"]["weights_sha256"]) == 64
        with np.load(out / "images" / row["model"] / f"{row['slug']}.npz", allow_pickle=False) as images:
            assert images["arr_0"].shape == (600, 32, 32, 3)
        if row["cache"] == "l2c":
            assert float(row["latent_error"]) >= 0
            assert float(row["training_s"]) > 0
    assert (out / "report.html").stat().st_size > 10_000
