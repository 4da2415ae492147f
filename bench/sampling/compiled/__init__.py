"""Trajectories prepared once and run many times: a plan compiled for one denoiser, sampler, batch and device.

`prepare` picks the pieces: the program (a plan's static operations), the network (a denoiser's fast form) and the
sampler's folded updates. The plain path (bench/sampling/plain.py) is the reference that it agrees with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from bench.sampling import plain
from bench.sampling.compiled.dit import DiTNetwork
from bench.sampling.compiled.folding import fold
from bench.sampling.compiled.graphs import GraphedTrajectory
from bench.sampling.compiled.network import Network, PlainNetwork
from bench.sampling.compiled.onednn import BLAS, KERNELS, maker
from bench.sampling.compiled.program import compile_program
from bench.sampling.compiled.trajectory import Trajectory
from bench.sampling.compiled.uvit import UViTNetwork
from bench.sampling.executor import Executor
from methods.method import Sampler
from methods.plan import Plan
from models.denoiser import Denoiser
from models.dit import DiT
from models.errors import InputError, expect_one_of
from models.uvit import UViT

__all__ = ["COMPILED", "PLAIN", "Execution", "Run", "prepare"]

PLAIN, COMPILED = "plain", "compiled"
PIECES = {
    "conditions",
    "embed",
    "enter_block",
    "branch",
    "branch_input",
    "layer",
    "residual",
    "unembed",
}  # of models.denoiser.Denoiser


class Run(Protocol):
    """A trajectory made ready, and what its last run did (bench/sampling/script.py)."""

    def __call__(self, noise: Tensor, labels: Tensor, step_noise: Tensor | None = None) -> Tensor: ...

    def taken(self) -> Plan: ...

    def trace(self) -> list[np.ndarray]: ...


@dataclass(frozen=True)
class Execution:
    """How trajectories are executed: a recorded setting of a run, the same for cached and uncached."""

    path: str = COMPILED  # or "plain"
    cuda_graphs: bool = False  # capture a trajectory once, replay it afterwards
    compile: bool = False  # torch.compile of the few kinds of block
    kernels: str = BLAS  # of products on a CPU: "blas", torch's own; "onednn"; "measured", the faster one here

    def __post_init__(self) -> None:
        expect_one_of("execution", self.path, (PLAIN, COMPILED))
        if self.path == PLAIN and (self.cuda_graphs or self.compile):
            raise InputError("execution 'plain' takes neither cuda_graphs nor compile")
        expect_one_of("kernels", self.kernels, KERNELS)
        if self.kernels != BLAS and (self.path == PLAIN or self.cuda_graphs or self.compile):
            raise InputError(f"kernels '{self.kernels}' goes with neither execution 'plain', cuda_graphs nor compile")


def prepare(
    model: Denoiser,
    sampler: Sampler,
    plan: Plan,
    *,
    batch: int,
    guidance_scale: float = 1.0,
    guidance_channels: int | None = None,
    options: Execution | None = None,
) -> Run:
    """`trajectory(noise, labels, step_noise=None) -> samples`, each [B,C,H,W] with B at most `batch`.

    Nothing computed by one call is used by another. Raises InputError where plan, sampler and guidance do not fit.
    """
    options = options or Execution()
    if plan.policy is not None and (options.cuda_graphs or options.compile):
        raise InputError("a method that decides during sampling takes neither cuda_graphs nor compile")
    if plan.policy is not None and not model.splits_branches:
        raise InputError(f"a method that decides during sampling cannot see into {type(model).__name__}'s branches")
    if options.path == PLAIN:
        return PlainTrajectory(Executor(model, plan), sampler, guidance_scale, guidance_channels)
    evaluations = sampler.evaluations(model.noise_schedule)
    plain.check_plan(plan, len(evaluations))
    plain.check_guidance(model, plan, guidance_scale, guidance_channels)
    updates = fold(sampler, model, len(evaluations))
    network = build_network(model, [e.timestep for e in evaluations], updates is None, options)
    trajectory = Trajectory(
        model,
        sampler,
        compile_program(model, plan),
        network,
        updates,
        batch=batch,
        guidance_scale=guidance_scale,
        guidance_channels=guidance_channels,
    )
    return GraphedTrajectory(trajectory) if options.cuda_graphs else trajectory


def build_network(model: Denoiser, timesteps: list[float], variances: bool, options: Execution) -> Network:
    """The fast form of a known architecture whose pieces nobody has replaced, else the denoiser's own pieces."""
    if PIECES & vars(model).keys() or type(model) not in (DiT, UViT):
        return PlainNetwork(model, timesteps)
    product = maker(options.kernels, next(model.parameters()))
    if type(model) is DiT:
        return DiTNetwork(model, timesteps, variances, options.compile, product)
    return UViTNetwork(model, timesteps, options.compile, product)


class PlainTrajectory:
    """`trajectory` by the plain path."""

    def __init__(self, executor: Executor, sampler: Sampler, scale: float, channels: int | None) -> None:
        self.executor, self.sampler, self.guidance = executor, sampler, (scale, channels)
        self.taken, self.trace = executor.script.taken, executor.script.trace

    def __call__(self, noise: Tensor, labels: Tensor, step_noise: Tensor | None = None) -> Tensor:
        return plain.run(self.executor, self.sampler, noise, labels, *self.guidance, step_noise)
