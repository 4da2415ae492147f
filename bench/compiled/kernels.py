"""The sublayers, written so that on a CPU they run in buffers that already exist and, where they can, in its cache."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import gelu, scaled_dot_product_attention

from models.denoiser import Attention, Mlp

TILE_BYTES = 2**18  # of a buffer that stays in a core's second-level cache
HIDDEN_BYTES = 2**23  # of the MLP's hidden tokens at once: larger products gain nothing
# x * sigmoid(2u) = GELU by tanh, u = sqrt(2/pi) (x + 0.044715 x^3): 2u = x (FIRST + THIRD x^2)
FIRST, THIRD = 1.5957691216057308, 0.07135481627260025


class Scratch:
    """Buffers of one trajectory, by name; made when first asked for. On a GPU the allocator does this better."""

    def __init__(self, like: Tensor) -> None:
        self.like, self.reuses = like, like.device.type == "cpu"
        self.buffers: dict[str, Tensor] = {}

    def __call__(self, name: str, *shape: int) -> Tensor | None:
        """A buffer with whatever values, or None where every result gets memory of its own."""
        if not self.reuses:
            return None
        buffer = self.buffers.get(name)
        if buffer is None or buffer.shape != shape:
            buffer = self.buffers[name] = self.like.new_empty(shape)
        return buffer


def attention(layer: Attention, x: Tensor, scratch: Scratch, out: Tensor | None) -> Tensor:
    """x [N,T,D] -> [N,T,D]."""
    N, T, D = x.shape
    qkv = linear(layer.qkv, x, scratch("qkv", N, T, 3 * D))
    q, k, v = qkv.view(N, T, 3, layer.num_heads, -1).permute(2, 0, 3, 1, 4)  # each [N,H,T,D/H]
    mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(N, T, D)
    return linear(layer.proj, mixed, scratch("branch", N, T, D) if out is None else out)


def mlp(layer: Mlp, x: Tensor, scratch: Scratch, out: Tensor | None) -> Tensor:
    """x [N,T,D] -> [N,T,D], on a CPU in chunks of rows."""
    if not scratch.reuses:
        return linear(layer.fc2, layer.act(linear(layer.fc1, x, None)), out)
    result = scratch("branch", *x.shape) if out is None else out
    rows, into = x.view(-1, x.shape[-1]), result.view(-1, x.shape[-1])  # type: ignore[union-attr]
    width = layer.fc1.out_features
    chunk = min(len(rows), max(1, HIDDEN_BYTES // (width * x.element_size())))
    hidden = scratch("hidden", chunk, width)
    for part, place in zip(rows.split(chunk), into.split(chunk), strict=True):
        activated = linear(layer.fc1, part, hidden[: len(part)])  # type: ignore[index]
        activate_(activated, layer.act.approximate, scratch)
        linear(layer.fc2, activated, place)
    return result  # type: ignore[return-value]


def activate_(x: Tensor, approximate: str, scratch: Scratch) -> None:
    """GELU of x [rows,width] in place, by tiles that stay in cache."""
    if approximate == "none":
        x.copy_(gelu(x))  # exact: one fast pass already
        return
    tile = max(1, TILE_BYTES * torch.get_num_threads() // (x.shape[1] * x.element_size()))
    buffer, first = scratch("gelu", tile, x.shape[1]), x.new_tensor(FIRST)
    for part in x.split(tile):
        gate = torch.addcmul(first, part, part, value=THIRD, out=buffer[: len(part)])  # type: ignore[index]
        part.mul_(gate.mul_(part).sigmoid_())


def linear(layer: torch.nn.Linear, x: Tensor, out: Tensor | None) -> Tensor:
    """x [...,D] times the layer's weights plus its bias, in `out` where given."""
    if out is None:
        return torch.nn.functional.linear(x, layer.weight, layer.bias)
    rows, into = x.view(-1, x.shape[-1]), out.view(-1, out.shape[-1])
    if layer.bias is None:
        torch.mm(rows, layer.weight.t(), out=into)
    else:
        torch.addmm(layer.bias, rows, layer.weight.t(), out=into)
    return out


def images_per_tile(h: Tensor) -> int:
    """How many images' tokens h [N,T,D] stay in a CPU's cache together; all of them on a GPU."""
    if h.device.type != "cpu":
        return len(h)
    return max(1, TILE_BYTES * torch.get_num_threads() // (h[0].numel() * h.element_size()))
