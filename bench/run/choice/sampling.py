"""A process that samples settings of one model when it is asked to, and says how long that took."""

from __future__ import annotations

import copy
import os
import time
from dataclasses import dataclass, replace
from multiprocessing import connection
from pathlib import Path

import torch
from numpy.typing import NDArray

import models
from bench import plugins
from bench.host.output import redirect_output
from bench.measure.outcome import outcome_of
from bench.measure.samples.exact_solution import has_none
from bench.measure.samples.shards import pieces
from bench.measure.task import Task
from bench.measure.timing.contenders import Contender, build_model, prepared
from bench.run.worker import detach
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.suite.cells import Cell
from models.denoiser import Denoiser
from models.errors import InputError


@dataclass(frozen=True)
class Request:
    """Sample these seeds of a setting."""

    cell: Cell
    seeds: range


@dataclass(frozen=True)
class Answer:
    """Final latents float32 [seeds,C,H,W] and the least seconds of a batch; or else a `reason` why there are none.

    `processor` seconds are of everything that the request cost.
    """

    latents: NDArray | None = None
    seconds: float = 0.0
    processor: float = 0.0
    reason: str | None = None


def main(task: Task, pipe: connection.Connection) -> None:
    """Entry of the process: requests in, answers out, until the pipe closes. What a method prints is nobody's."""
    detach()
    redirect_output(Path(os.devnull))
    torch.set_num_threads(task.settings.threads)
    plugins.load(list(task.plugins))
    model = build_model(task)
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        before = time.process_time()
        result = answer(task, model, request)
        pipe.send(replace(result, processor=time.process_time() - before))


def answer(task: Task, model: Denoiser, request: Request) -> Answer:
    """A method may raise anything: that is its answer."""
    try:
        return sampled(replace(task, cell=request.cell), copy.copy(model), request.seeds)
    except BaseException as error:
        return Answer(reason=outcome_of(error)[1])


def sampled(task: Task, model: Denoiser, seeds: range) -> Answer:
    """Latents in batches of the protocol's size. Raises InputError for a setting that has no exact solution."""
    cell, device = task.cell, task.settings.device
    sampler, spec = cell.sampler.method, models.spec(cell.model)
    if reason := has_none(sampler, model):
        raise InputError(reason)
    batch = min(cell.protocol.sampling_batch, len(seeds))
    plan = make_plan(model, sampler, None if cell.cache is None else cell.cache.method)
    run = prepared(task.cell.model, model, Contender(sampler, plan), batch, task.settings.execution)
    clock = time.process_time if device == "cpu" else time.perf_counter  # waiting for a core is no work
    batches, seconds = [], []
    for part in pieces(seeds, batch):
        noise = seeded_noise(part, model.latent_shape, cell.protocol.seed)
        noise = noise.to(device=device, dtype=getattr(torch, task.settings.dtype))
        labels = balanced_labels(part, spec.num_classes).to(device)
        started = clock()
        batches.append(run(noise, labels).float().cpu())
        seconds.append(clock() - started)
    latents = torch.cat(batches)
    if not torch.isfinite(latents).all():
        raise ValueError("the samples are not finite")
    return Answer(latents.numpy(), min(seconds))
