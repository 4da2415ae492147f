"""Buffers on a CPU for what lives inside a branch, made once a trajectory."""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor

TILE_BYTES = 2**18  # of a buffer that stays in a core's second-level cache
HIDDEN_BYTES = 2**23  # of the MLP's hidden tokens at once: larger products gain nothing
# GELU by tanh is x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3): -2u / log 2 = x (FIRST + THIRD x^2)
FIRST, THIRD = -2.302208198144325, -0.1029432395800235


def on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


class Workspace:
    """Buffers of one trajectory on a CPU for what lives inside a branch, and all views of them, made once.

    On a GPU there is none: every result gets memory of its own, which the allocator reuses.
    """

    def __init__(self, like: Tensor, shape: tuple[int, int, int], heads: int, hidden: int) -> None:
        """For tokens of `shape` [N,T,D] and `hidden` features inside the MLP."""
        N, T, D = shape
        rows, row_bytes = N * T, hidden * like.element_size()
        chunk = -(-rows // -(-rows * row_bytes // HIDDEN_BYTES))  # rows, in equal parts
        tile = max(1, TILE_BYTES * torch.get_num_threads() // row_bytes)
        self.out = like.new_empty(shape)  # of branches whose output is not kept
        self.qkv = like.new_empty(rows, 3 * D)
        self.hidden = like.new_empty(chunk, hidden)
        self.gate = like.new_empty(min(tile, chunk), hidden)
        self.first, self.one = like.new_full((), FIRST), like.new_ones(())  # as numbers they would cost a kernel each
        self.view(N, heads)

    def view(self, images: int, heads: int) -> None:
        """See the buffers as those of so many images."""
        rows, D = self.qkv.shape[0], self.out.shape[-1]
        self.shape, self.chunk = (rows, D), self.hidden.shape[0]
        self.heads = split_heads(self.qkv, images, heads)
        self.tiles = self.tiled(self.hidden)

    def of_fewer(self, images: int) -> Workspace:
        """The same buffers for fewer images."""
        fewer, tokens = copy(self), self.out.shape[1]
        fewer.out, fewer.qkv = self.out[:images], self.qkv[: images * tokens]
        fewer.hidden, fewer.gate = self.hidden[: images * tokens], self.gate[: images * tokens]
        fewer.view(images, self.heads[0].shape[1])
        return fewer

    def tiled(self, hidden: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The hidden tokens in tiles, each with a buffer of its size."""
        return [(part, self.gate[: part.shape[0]]) for part in hidden.split(self.gate.shape[0])]

    def activate_(self, hidden: Tensor, approximate: str) -> None:
        """GELU of the hidden tokens, which `self.hidden` begins with, in place; by tanh in tiles that stay in cache."""
        if approximate == "none":
            torch.ops.aten.gelu_(hidden)  # exact: one fast pass already
            return
        for part, gate in self.tiles if hidden is self.hidden else self.tiled(hidden):
            torch.addcmul(self.first, part, part, value=THIRD, out=gate)
            part.div_(gate.mul_(part).exp2_().add_(self.one))


def workspaces(like: Tensor, shape: tuple[int, int, int], heads: int, hidden: int, images: int) -> dict[int, Workspace]:
    """By the number of images: that of all N, and where N is both guidance halves of `images`, that of one."""
    if not on_cpu(like):
        return {}
    whole = Workspace(like, shape, heads, hidden)
    return {shape[0]: whole} if images == shape[0] else {shape[0]: whole, images: whole.of_fewer(images)}


def split_heads(qkv: Tensor, images: int, heads: int) -> tuple[Tensor, ...]:
    """qkv [N T, 3 D] -> q, k, v, each [N,H,T,D/H]."""
    return qkv.view(images, -1, 3, heads, qkv.shape[1] // (3 * heads)).permute(2, 0, 3, 1, 4).unbind(0)
