"""CUDA graphs: a whole trajectory captured once and replayed, so that the host launches one graph and no kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from bench.sampling.compiled.trajectory import Trajectory

Replay = Callable[[], object]
Capture = Callable[[Callable[[], Tensor], torch.device], tuple[Replay, Tensor]]
WARMUPS = 2  # runs before the capture: libraries choose their kernels and make their workspaces


def capture(run: Callable[[], Tensor], device: torch.device) -> tuple[Replay, Tensor]:
    """The captured `run` and its output, which every replay writes anew."""
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(WARMUPS):
            run()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=_pool()):
        out = run()
    return graph.replay, out


@cache
def _pool() -> Any:
    """One pool of memory for all graphs: nothing survives a trajectory, and each one's output is copied at once."""
    return torch.cuda.graph_pool_handle()


class GraphedTrajectory:
    """`trajectory` from static inputs; the first call captures it, which takes seconds and must not be timed."""

    def __init__(self, trajectory: Trajectory, capture: Capture = capture) -> None:
        self.trajectory, self.capture = trajectory, capture
        self.taken, self.trace = trajectory.taken, trajectory.trace
        self.replay: Replay | None = None
        self.static: list[Tensor] = []

    @torch.inference_mode()
    def __call__(self, noise: Tensor, labels: Tensor, step_noise: Tensor | None = None) -> Tensor:
        """As Trajectory's. The arguments are copied into the graph's inputs, the samples out of its output."""
        images = len(noise)
        noise, labels, draw = self.trajectory.inputs(noise, labels, step_noise)
        given = [noise, labels] if draw is None else [noise, labels, self.trajectory.drawn(draw)]
        if self.replay is None:
            self.static = [tensor.clone() for tensor in given]
            self.replay, self.out = self.capture(self.run, noise.device)
        for static, tensor in zip(self.static, given, strict=True):
            static.copy_(tensor)
        self.replay()
        return self.out[:images].to(noise.dtype, copy=True)

    def run(self) -> Tensor:
        """The trajectory of the static inputs: what is captured."""
        noise, labels, *step_noise = self.static
        return self.trajectory.run(noise, labels, step_noise[0].__getitem__ if step_noise else None)

    out: Tensor
