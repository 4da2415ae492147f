"""Trajectories prepared once and run many times: a plan for one denoiser, sampler, batch and device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from bench import plain
from bench.executor import Executor
from methods.method import Sampler
from methods.plan import Plan
from models.denoiser import Denoiser
from models.errors import InputError, expect_one_of

Trajectory = Callable[..., Tensor]  # (noise [B,C,H,W], labels [B], step_noise=None) -> samples [B,C,H,W]

PLAIN, COMPILED = "plain", "compiled"


@dataclass(frozen=True)
class Execution:
    """How trajectories are executed: a recorded setting of a run, the same for cached and uncached."""

    path: str = PLAIN  # or "compiled"
    cuda_graphs: bool = False  # capture a trajectory once, replay it afterwards
    compile: bool = False  # torch.compile of the few kinds of block

    def __post_init__(self) -> None:
        expect_one_of("execution", self.path, (PLAIN, COMPILED))
        if self.path == PLAIN and (self.cuda_graphs or self.compile):
            raise InputError("execution 'plain' takes neither cuda_graphs nor compile")


def prepare(
    model: Denoiser,
    sampler: Sampler,
    plan: Plan,
    *,
    batch: int,
    guidance_scale: float = 1.0,
    guidance_channels: int | None = None,
    options: Execution | None = None,
) -> Trajectory:
    """`trajectory(noise, labels, step_noise=None) -> samples`, each [B,C,H,W] with B at most `batch`.

    Nothing computed by one call is used by another. Raises InputError where plan, sampler and guidance do not fit.
    """
    executor = Executor(model, plan)

    def trajectory(noise: Tensor, labels: Tensor, step_noise: Tensor | None = None) -> Tensor:
        return plain.run(executor, sampler, noise, labels, guidance_scale, guidance_channels, step_noise)

    return trajectory
