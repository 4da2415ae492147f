"""What one process of a session learns of the machine besides the rounds: rates of products and copies, decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import models
from bench.measure.task import Task
from bench.measure.timing import ceilings
from bench.measure.timing.contenders import inputs
from bench.measure.timing.stopwatch import Stopwatch
from bench.suite.weights import has_quality
from models.denoiser import Denoiser

CEILING_SHARE = 0.05  # of the protocol's seconds, for each of the machine's two rates
CEILING_SECONDS = 1.0  # but no more
DECODE_LAPS = 3


def products(task: Task, watch: Stopwatch) -> dict[str, Any]:
    """The rate of a square product in the run's dtype."""
    dtype = getattr(torch, task.settings.dtype)
    return ceilings.gemm_rate(watch, task.settings.device, dtype, _seconds(task), task.settings.execution.kernels)


def copies(task: Task, watch: Stopwatch) -> dict[str, Any]:
    return ceilings.copy_rate(watch, task.settings.device, _seconds(task))


def _seconds(task: Task) -> float:
    return min(CEILING_SECONDS, CEILING_SHARE * task.cell.protocol.timing.seconds)


def all_rates(measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The fastest of several processes' rates; `gemm_before` is the first that was measured, `gemm_after` the last."""
    rates = max(measured, key=lambda rate: rate["gemm_macs_per_s"])
    copied = max(measured, key=lambda rate: rate["copy_bytes_per_s"])
    both = {key: copied[key] for key in ("copy_bytes_per_s", "copy_bytes")}
    return {**rates, **both, "gemm_before": measured[0]["gemm_before"], "gemm_after": measured[-1]["gemm_after"]}


def decode_times(task: Task, model: Denoiser, watch: Stopwatch) -> list[float] | None:
    """Milliseconds in which the headline's latents become images; None where the run makes no images."""
    spec, rules = models.spec(task.cell.model), task.cell.protocol
    if spec.autoencoder is None or not (rules.samples and has_quality(task.settings)):
        return None
    autoencoder, latents = spec.pixels(task.settings.device), inputs(task, model, rules.timing.batch)[0].float()
    laps = [watch.time(lambda: autoencoder.decode(latents)).wall_ns for _ in range(1 + DECODE_LAPS)]
    return [ns / 1e6 for ns in laps[1:]]
