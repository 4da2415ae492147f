"""The exact solution of bench.measure.samples.exact_solution, sampled side by side and kept in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.measure.samples.exact_solution import ExactSolution
from bench.measure.samples.shards import pieces
from bench.run.choice.pool import Pool
from bench.run.choice.sampling import Request
from bench.suite.cells import Cell
from models.errors import InputError


class Pooled:
    """What samples cells that are in no suite, each range once."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.kept: dict[tuple[str, range], Tensor] = {}

    def __call__(self, cell: Cell) -> PooledLatents:
        return PooledLatents(self, cell)


class PooledLatents:
    """Final latents of one cell."""

    def __init__(self, pooled: Pooled, cell: Cell) -> None:
        self.pooled, self.cell = pooled, cell

    def read(self, indices: range) -> Tensor:
        """Float32 [len(indices),C,H,W]. Raises InputError where they cannot be sampled."""
        kept = self.pooled.kept
        if (self.cell.slug, indices) not in kept:
            kept[self.cell.slug, indices] = self.sample(indices)
        return kept[self.cell.slug, indices]

    def sample(self, indices: range) -> Tensor:
        """In as many parts as there are processes, or in batches, whichever are smaller."""
        pool = self.pooled.pool
        size = min(self.cell.protocol.sampling_batch, -(-len(indices) // pool.jobs))
        errors = {}
        for request, answer in pool.run(Request(self.cell, part) for part in pieces(indices, size)):
            if answer.latents is None:
                raise InputError(f"choose: the exact solution cannot be made: {answer.reason}")
            errors[request.seeds.start] = torch.from_numpy(answer.latents)
        return torch.cat([errors[start] for start in sorted(errors)])


class Exact:
    """Latents [seeds,C,H,W] for what one sampler takes the network's output for, and how well they are known."""

    def __init__(self, cell: Cell, pooled: Pooled) -> None:
        self.solution = ExactSolution(cell, pooled)  # type: ignore[arg-type]
        self.latents, self.resolution = self.solution.latents(), self.solution.resolution()
