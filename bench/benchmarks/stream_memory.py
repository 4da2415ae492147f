"""Peak memory of sampling against the number of samples: `python -m bench.benchmarks.stream_memory [OUT]`.

The pipeline is the suite's own (bench/measure/samples/stream.py): a tiny denoiser samples latents, a synthetic decoder
makes colour images of 64x64 pixels of them, a tiny extractor makes features of these, and latents and features go to
shards on disk. Each number of samples runs in a process of its own, which reports the kernel's high-water mark of its
resident memory before the first sample (`before_mb`), after all shards are written (`stream_mb`) and after all
features were loaded for the metrics (`features_mb`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import models
from bench.host.environment import environment
from bench.host.files import write_json
from bench.measure.memory import MB, high_water_mark
from bench.measure.samples.instruments import Instruments
from bench.measure.samples.latents import Latents
from bench.measure.samples.stream import Stream
from bench.quality.extractors import Extractor
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from models.autoencoders import Autoencoder
from models.dit import DiT
from models.spec import ModelSpec

COUNTS = (5_000, 20_000, 50_000)
BATCH, PIXELS, FEATURES = 256, 64, 64
OUT = Path("results/benchmarks/stream_memory.json")
CONFIG = {"input_size": 4, "patch_size": 2, "in_channels": 4, "hidden_size": 16, "depth": 1, "num_heads": 1}


class Upscale(Autoencoder):
    """Latents [B,4,4,4] -> images uint8 [B,3,64,64]."""

    name, fingerprint, rounding, network = "upscale", "upscale:1", "clipped", nn.Identity()

    def decoder_pass(self, latents: Tensor) -> Tensor:
        return nn.functional.interpolate(latents[:, :3], size=(PIXELS, PIXELS), mode="bilinear")

    def decode(self, latents: Tensor) -> Tensor:
        return (self.decoder_pass(latents) * 40 + 128).clamp(0, 255).byte()

    def encode(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        raise NotImplementedError


class Projection(Extractor):
    """Random projections of 8x8 means."""

    name, fingerprint = "projection", "projection:1"

    def __init__(self) -> None:
        self.matrix = torch.randn(3 * 8 * 8, FEATURES, generator=torch.Generator().manual_seed(0))

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        return {"pool": nn.functional.adaptive_avg_pool2d(images.float(), 8).flatten(1) @ self.matrix}


def peaks(samples: int) -> dict[str, Any]:
    """Stream so many samples in this process; peak resident memory in MB of 1e6 bytes."""
    torch.set_num_threads(1)
    module = ModuleType("stream_memory_model")
    vars(module)["spec"] = ModelSpec("stream-memory", DiT, CONFIG | {"num_classes": 10}, 10, guidance_scale=1.0)
    models.register(module)
    model = models.build("stream-memory", weights="random")
    cell = Cell("stream-memory", Part("ddim", {"steps": 2}), None, Protocol(samples=samples, sampling_batch=BATCH))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        settings = Settings(weights="random")
        latents = Latents(model, cell, settings, place / "cell", lambda cell, done: None)
        tools = Instruments("cpu", Upscale(), Projection())
        stream = Stream(latents, {}, tools, place / "cell", place / "images")
        started, before = time.perf_counter(), high_water_mark()
        stream.fill(stream.ranges)
        seconds, streamed = time.perf_counter() - started, high_water_mark()
        features, _ = stream.results()
        assert features is not None
        assert len(features) == samples
        disk = sum(path.stat().st_size for path in place.rglob("*.safetensors"))
    return {
        "samples": samples,
        "images_mb": samples * 3 * PIXELS**2 / MB,
        "before_mb": megabytes(before),
        "stream_mb": megabytes(streamed),
        "features_mb": megabytes(high_water_mark()),
        "disk_mb": round(disk / MB, 1),
        "seconds": round(seconds, 1),
    }


def megabytes(mark: int | None) -> float | None:
    return None if mark is None else round(mark / MB, 1)


def measure(samples: int) -> dict[str, Any]:
    """`peaks` in a process of its own."""
    line = [sys.executable, "-m", "bench.benchmarks.stream_memory", "--one", str(samples)]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def main(argv: list[str]) -> None:
    if argv[:1] == ["--one"]:
        print(json.dumps(peaks(int(argv[1]))))
        return
    rows = []
    for samples in COUNTS:
        rows.append(measure(samples))
        print(rows[-1], file=sys.stderr)
    settings = {"sampling_batch": BATCH, "image": [3, PIXELS, PIXELS], "features": FEATURES, "threads": 1}
    path = Path(argv[0]) if argv else OUT
    write_json(path, {"settings": settings, "rows": rows, "environment": environment()})


if __name__ == "__main__":
    main(sys.argv[1:])
