"""What is timed: samplers with the plans that they follow or the library that runs them, ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import models
from bench import engines
from bench.engines import OURS, Engine, EngineCache
from bench.measure.outcome import Unsupported
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import Execution, Run, prepare
from bench.sampling.library import LibraryTrajectory
from bench.suite.cells import Cell
from methods.method import Sampler
from methods.plan import Plan
from models.denoiser import Denoiser

if TYPE_CHECKING:
    from bench.measure.task import Task


@dataclass(frozen=True)
class Contender:
    """A sampler with the plan that it follows; where a library runs it, that is the most that it may compute."""

    sampler: Sampler
    plan: Plan
    engine: Engine | None = None  # None: ours
    cache: EngineCache | None = None  # the library's


def contender_of(cell: Cell, model: Denoiser) -> Contender:
    """Raises Unsupported, InputError, and whatever the method raises."""
    sampler, method = cell.sampler.method, None if cell.cache is None else cell.cache.method
    engine = None if cell.engine == OURS else engines.find(cell.engine)()
    reason = (engine and engine.refuses(model)) or (method and method.supports(model, sampler))
    if reason:
        raise Unsupported(reason)
    plan = make_plan(model, sampler, cell.planned)
    return Contender(sampler, plan) if engine is None else Contender(sampler, plan, engine, method)


def build_model(task: Task) -> Denoiser:
    settings = task.settings
    dtype = getattr(torch, settings.dtype)
    return models.build(task.cell.model, weights=settings.weights, device=settings.device, dtype=dtype)


def trajectory(task: Task, model: Denoiser, contender: Contender, batch: int) -> Callable[[], Tensor]:
    """One whole trajectory of `batch` images: noise in, final latents out, guidance included."""
    noise, labels = inputs(task, model, batch)
    run = prepared(task.cell.model, model, contender, batch, task.settings.execution)
    return lambda: run(noise, labels)


def prepared(name: str, model: Denoiser, contender: Contender, batch: int, execution: Execution) -> Run:
    """A contender made ready for one batch size, guided as the model of that name wants to be."""
    if contender.engine is not None:
        return by_library(name, model, contender)
    spec = models.spec(name)
    return prepare(
        model,
        contender.sampler,
        contender.plan,
        batch=batch,
        guidance_scale=spec.guidance_scale,
        guidance_channels=spec.guidance_channels,
        options=execution,
    )


def by_library(name: str, model: Denoiser, contender: Contender) -> LibraryTrajectory:
    """The same of a contender that a library runs, with a network of its own."""
    assert contender.engine is not None
    spec = models.spec(name)
    return LibraryTrajectory(
        model,
        contender.sampler,
        contender.engine,
        contender.cache,
        guidance_scale=spec.guidance_scale,
        guidance_channels=spec.guidance_channels,
    )


def inputs(task: Task, model: Denoiser, batch: int) -> tuple[Tensor, Tensor]:
    """Noise [B,C,H,W] and labels [B] of the first `batch` samples, on the run's device."""
    settings, indices = task.settings, range(batch)
    noise = seeded_noise(indices, model.latent_shape, task.cell.protocol.seed)
    labels = balanced_labels(indices, models.spec(task.cell.model).num_classes)
    return noise.to(device=settings.device, dtype=getattr(torch, settings.dtype)), labels.to(settings.device)
