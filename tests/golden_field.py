"""The second set of golden vectors: caching methods and samplers beyond L2C and FORA (tests/golden/wider).

The repository holds a telling part of it; where the whole set is present beside the repository, that is used.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import golden_vectors
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import methods
from bench.sampling import sample
from bench.sampling.compiled import Execution
from models.dit import DiT

TOLERANCE = 4e-5  # of max|reference|, the set's own gate


def find(name: str) -> Path | None:
    """The sidecar of a file of the set, from the whole set where it is present."""
    folders = [folder / "wider" for folder in reversed(golden_vectors.FOLDERS)]
    return next((f / f"{name}.json" for f in folders if (f / f"{name}.json").is_file()), None)


@cache
def load(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and sidecar; skips the test where the file is absent."""
    path = find(name)
    if path is None:
        pytest.skip(f"golden file {name} is not here")
    return load_file(path.with_suffix(".safetensors")), json.loads(path.read_text())


def sidecar(name: str) -> dict[str, Any]:
    """What a file says beside its tensors, for parametrising; empty where it is absent."""
    path = find(name)
    return json.loads(path.read_text()) if path else {}


def runs(*names: str, **wanted: Any) -> list[Any]:
    """(file, run) of every run with these values, as parameters with their tags for names."""
    found = []
    for name in names:
        found += [
            (name, run) for run in sidecar(name).get("runs", []) if all(run.get(k) == v for k, v in wanted.items())
        ]
    return [pytest.param(name, run, id=f"{name}-{run['tag']}") for name, run in found]


@cache
def model(name: str, dtype: torch.dtype = torch.float32) -> DiT:
    """The denoiser of a file."""
    sidecar = load(name)[1]
    weights, stored = load(Path(sidecar["model_file"]).stem)
    built = DiT(**stored["model_config"])
    built.load_state_dict({key[6:]: value for key, value in weights.items() if key.startswith("model.")})
    return built.eval().requires_grad_(False).to(dtype)


def replay(name: str, run: dict[str, Any], cache: Any, trace: list[Any] | None = None, path: str = "plain") -> float:
    """Worst deviation of the final latents from the recorded ones, relative to their maximum."""
    T, tag = load(name)[0], run["tag"]
    half = len(T[f"{tag}.x_T"]) // 2
    stochastic = run.get("sampler") == "ddpm"
    final = sample(
        model(name),
        methods.build(run.get("sampler", "ddim"), steps=run["steps"]),
        cache,
        noise=T[f"{tag}.x_T"][:half],
        labels=torch.tensor(run["labels"][:half]),
        guidance_scale=run["cfg_scale"],
        guidance_channels=3,
        step_noise=T[f"{tag}.noise"][:, :half] if stochastic else None,
        trace=trace,
        options=Execution(path),
    )
    return golden_vectors.relative(final, T[f"{tag}.final"][:half])
