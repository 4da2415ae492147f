"""Where the randomness of a training run comes from: one generator for each part of the batch, one for all."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.train.distributed import World

APART = 10**6  # between the seeds of the parts


class Streams:
    """A step's batch is drawn in parts, each with a generator of its own on the CPU, whoever computes them.

    So a run depends on its number of parts alone: two processes with one part each and one process with two make the
    same draws. `common` is for what all parts must agree on; a run of one part has one generator for both.
    """

    def __init__(self, seed: int, parts: int, world: World) -> None:
        first = world.rank * (parts // world.size)
        self.common = torch.Generator().manual_seed(seed if parts == 1 else seed + parts * APART)
        own = (torch.Generator().manual_seed(seed + part * APART) for part in range(first, first + parts // world.size))
        self.own = [self.common] if parts == 1 else list(own)
        self.world, self.first = world, first

    def state(self) -> dict[str, Tensor]:
        """The generators' states, those of all processes: {common: [bytes], parts: [parts,bytes]}."""
        own = torch.stack([g.get_state() for g in self.own])
        return {"common": self.common.get_state(), "parts": torch.cat(self.world.gather(own))}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.common.set_state(state["common"])
        for generator, saved in zip(self.own, state["parts"][self.first :], strict=False):
            generator.set_state(saved.clone())  # torch overlooks where a row begins in its storage
