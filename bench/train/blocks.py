"""A denoiser's forward pass with the branches open: to replace them, and to keep no activations inside a block."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.denoiser import Denoiser

Branch = Callable[[int, Tensor, Tensor | None], Tensor]  # index, tokens [B,T,D], conditioning -> output [B,T,D]


def evaluate(model: Denoiser, x: Tensor, t: Tensor, y: Tensor, branch: Branch, checkpointing: bool = False) -> Tensor:
    """The denoiser's forward pass [B,C or 2C,H,W] with `branch` in place of its own branches.

    With `checkpointing` the backward pass computes each block again from its input (Chen et al. 2016): tokens at block
    boundaries are all that is kept.
    """
    h, c = model.embed(x, t, y)
    skips: dict[int, Tensor] = {}

    def run(block: int, h: Tensor, skip: Tensor | None) -> Tensor:
        h = model.enter_block(block, h, skip)
        for index in (2 * block, 2 * block + 1):
            h = model.residual(index, h, branch(index, h, c), c)
        return h

    for block in range(model.num_blocks):
        skip = skips.pop(model.skips[block]) if block in model.skips else None
        if checkpointing:  # no block draws random numbers, whose state need not be kept either
            h = checkpoint(run, block, h, skip, use_reentrant=False, preserve_rng_state=False)
        else:
            h = run(block, h, skip)
        if block in model.skips.values():
            skips[block] = h
    return model.unembed(h, c)


class Checkpointed(nn.Module):
    """A denoiser whose forward pass keeps block boundaries alone; it shares the denoiser's parameters."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return evaluate(self.denoiser, x, t, y, self.denoiser.branch, checkpointing=True)
