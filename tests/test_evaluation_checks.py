"""Outputs of another shape or precision than the noise: an error in both paths, where a sampler would go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import methods
from bench.sampling import balanced_labels, sample, seeded_noise
from bench.sampling.compiled import Execution
from methods.ddim import DDIM
from methods.plan import uncached
from models.dit import DiT

PATHS = {path: Execution(path) for path in ("plain", "compiled")}


@pytest.fixture
def model() -> DiT:
    torch.manual_seed(0)
    return DiT(4, 2, 4, 16, 2, 2, num_classes=3).eval().requires_grad_(False)


def run(model: DiT, path: str, sampler: Any = None, scale: float = 1.5, dtype: torch.dtype = torch.float32) -> Tensor:
    noise, labels = seeded_noise(range(2), model.latent_shape).to(dtype), balanced_labels(range(2), 3)
    sampler = sampler or methods.build("ddim", steps=3)
    cache = uncached(3, model.num_branches)
    return sample(model, sampler, cache, noise=noise, labels=labels, guidance_scale=scale, options=PATHS[path])


def unembedded(model: DiT, change: Callable[[Tensor], Any]) -> DiT:
    """The model, its outputs changed."""
    original = model.unembed
    model.unembed = lambda h, c: change(original(h, c))
    return model


OUTPUTS = {
    "one channel": (lambda out: out[:, :1], r"gave \[4, 1, 4, 4\] of torch.float32, expected \[4, 4, 4, 4\] or"),
    "one image": (lambda out: out[:1], r"gave \[1, 8, 4, 4\]"),
    "one half": (lambda out: out[:2], r"gave \[2, 8, 4, 4\]"),
    "one column": (lambda out: out[..., :1], r"gave \[4, 8, 4, 1\]"),
    "three dimensions": (lambda out: out[0], r"gave \[8, 4, 4\]"),
    "float64": (lambda out: out.double(), "of torch.float64, expected"),
    "complex": (lambda out: out.cfloat(), "of torch.complex64, expected"),
    "integers": (lambda out: out.int(), "of torch.int32, expected"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_denoisers_output_that_a_sampler_would_take(model: DiT, path: str, kind: str) -> None:
    change, said = OUTPUTS[kind]
    with pytest.raises(ValueError, match=r"evaluation 0 of the denoiser .*" + said):
        run(unembedded(model, change), path)


class Sampler(DDIM):
    """DDIM between two changes: of what the denoiser is asked for, and of the samples."""

    asked: Callable[[Tensor], Any] = staticmethod(lambda x: x)
    given: Callable[[Tensor], Any] = staticmethod(lambda x: x)

    def sample(self, denoise: Any, x: Tensor, schedule: Any, step_noise: Any) -> Any:
        return self.given(super().sample(lambda k, x: denoise(k, self.asked(x)), x, schedule, step_noise))


SAMPLERS = {
    "float64 within": ("asked", lambda x: x.double(), r"evaluation 0 was asked for \[2, 4, 4, 4\] of torch.float64"),
    "one channel within": ("asked", lambda x: x[:, :1], r"was asked for \[2, 1, 4, 4\]"),
    "float64 at the end": ("given", lambda x: x.double(), r"sampling gave \[2, 4, 4, 4\] of torch.float64"),
    "one image at the end": ("given", lambda x: x[:1], r"sampling gave \[1, 4, 4, 4\] of torch.float32, expected \[2,"),
    "no tensor at the end": ("given", lambda x: x.tolist(), "sampling gave list"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_samplers_own_tensors(model: DiT, path: str, kind: str) -> None:
    place, change, said = SAMPLERS[kind]
    sampler = Sampler(steps=3)
    setattr(sampler, place, change)
    with pytest.raises(ValueError, match=said):
        run(model, path, sampler)


@pytest.mark.parametrize("path", PATHS)
def test_weights_that_a_method_made_more_precise(model: DiT, path: str) -> None:
    with pytest.raises(ValueError, match=r"weights are torch\.float64, its inputs torch\.float32"):
        run(model.double(), path)
    assert run(model, path, dtype=torch.float64).dtype == torch.float64


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_half_precision_may_end_in_float32(model: DiT, path: str, scale: float) -> None:
    samples = run(model.bfloat16(), path, scale=scale, dtype=torch.bfloat16)
    assert samples.dtype == torch.bfloat16
    assert (
        run(unembedded(model, lambda out: out.float()), "compiled", scale=scale, dtype=torch.bfloat16).isfinite().all()
    )
