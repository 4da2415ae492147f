"""What is timed: samplers with the plans that they follow, as trajectories ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import models
from bench.sampling import balanced_labels, seeded_noise
from bench.sampling.compiled import Execution, Run, prepare
from methods.method import Sampler
from methods.plan import Plan
from models.denoiser import Denoiser

if TYPE_CHECKING:
    from bench.measure.task import Task


@dataclass(frozen=True)
class Contender:
    """A sampler with the plan that it follows."""

    sampler: Sampler
    plan: Plan


def build_model(task: Task) -> Denoiser:
    settings = task.settings
    dtype = getattr(torch, settings.dtype)
    return models.build(task.cell.model, weights=settings.weights, device=settings.device, dtype=dtype)


def trajectory(task: Task, model: Denoiser, contender: Contender, batch: int) -> Callable[[], Tensor]:
    """One whole trajectory of `batch` images: noise in, final latents out, guidance included."""
    noise, labels = inputs(task, model, batch)
    run = prepared(task, model, contender, batch, task.settings.execution)
    return lambda: run(noise, labels)


def prepared(task: Task, model: Denoiser, contender: Contender, batch: int, execution: Execution) -> Run:
    """A contender made ready for one batch size, guided as its model wants to be."""
    spec = models.spec(task.cell.model)
    return prepare(
        model,
        contender.sampler,
        contender.plan,
        batch=batch,
        guidance_scale=spec.guidance_scale,
        guidance_channels=spec.guidance_channels,
        options=execution,
    )


def inputs(task: Task, model: Denoiser, batch: int) -> tuple[Tensor, Tensor]:
    """Noise [B,C,H,W] and labels [B] of the first `batch` samples, on the run's device."""
    settings, indices = task.settings, range(batch)
    noise = seeded_noise(indices, model.latent_shape, task.cell.protocol.seed)
    labels = balanced_labels(indices, models.spec(task.cell.model).num_classes)
    return noise.to(device=settings.device, dtype=getattr(torch, settings.dtype)), labels.to(settings.device)
