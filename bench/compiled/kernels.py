"""The sublayers, written so that on a CPU they run in buffers that already exist and, where they can, in its cache."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from bench.compiled.regional import attention_branch, mlp_branch, regional, weights
from models.denoiser import Attention, Mlp

TILE_BYTES = 2**18  # of a buffer that stays in a core's second-level cache
HIDDEN_BYTES = 2**23  # of the MLP's hidden tokens at once: larger products gain nothing
STORED_BYTES = 2**22  # of a layer's weights that are worth a second copy in the order that products like
# GELU by tanh is x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3): -2u / log 2 = x (FIRST + THIRD x^2)
FIRST, THIRD = -2.302208198144325, -0.1029432395800235


def on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


class Scratch:
    """Buffers of one trajectory, by name; made when first asked for. On a GPU the allocator does this better."""

    def __init__(self, like: Tensor) -> None:
        self.like, self.reuses = like, on_cpu(like)
        self.buffers: dict[str, Tensor] = {}
        self.first, self.one = like.new_full((), FIRST), like.new_ones(())  # as numbers they would cost a kernel each

    def __call__(self, name: str, rows: int, width: int) -> Tensor | None:
        """A buffer [rows,width] of whatever values, or None where every result gets memory of its own."""
        if not self.reuses:
            return None
        if name not in self.buffers:  # a name is always asked for with one shape
            self.buffers[name] = self.like.new_empty(rows, width)
        return self.buffers[name]


def by_input(weight: Tensor) -> Tensor:
    """Weights [out,in] as [in,out]; stored in that order on a CPU, where products of few rows gain 3 to 8 %."""
    return weight.t().contiguous() if on_cpu(weight) and weight.nbytes <= STORED_BYTES else weight.t()


class Product:
    """A linear layer's weights, ready to be applied to rows: attribute look-ups and transposition done once."""

    def __init__(self, layer: nn.Linear) -> None:
        self.weight, self.bias, self.width = by_input(layer.weight), layer.bias, layer.out_features

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        """rows [R,in] -> [R,out], in `out` where given."""
        if self.bias is None:
            return torch.mm(rows, self.weight, out=out)
        return torch.addmm(self.bias, rows, self.weight, out=out)


class AttentionLayer:
    def __init__(self, layer: Attention) -> None:
        self.qkv, self.proj, self.heads = Product(layer.qkv), Product(layer.proj), layer.num_heads
        self.weights = (*weights(layer.qkv), *weights(layer.proj))

    def fused(self, h: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
        """The layer of h's norm, by a function that torch has compiled."""
        return regional(attention_branch)(h, shift, scale, eps, *self.weights, self.heads)

    def __call__(self, x: Tensor, scratch: Scratch, out: Tensor | None) -> Tensor:
        """x [N,T,D] -> [N,T,D]."""
        N, T, D = x.shape
        qkv = self.qkv(x.view(-1, D), scratch("qkv", N * T, 3 * D))
        q, k, v = qkv.view(N, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)  # each [N,H,T,D/H]
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, D)
        into = scratch("branch", N * T, D) if out is None else out.view(-1, D)
        return self.proj(mixed, into).view(N, T, D)


class MlpLayer:
    def __init__(self, layer: Mlp) -> None:
        self.fc1, self.fc2, self.approximate = Product(layer.fc1), Product(layer.fc2), layer.act.approximate
        self.weights = (*weights(layer.fc1), *weights(layer.fc2))

    def fused(self, h: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
        """The layer of h's norm, by a function that torch has compiled."""
        return regional(mlp_branch)(h, shift, scale, eps, *self.weights, self.approximate)

    def __call__(self, x: Tensor, scratch: Scratch, out: Tensor | None) -> Tensor:
        """x [N,T,D] -> [N,T,D], on a CPU in chunks of rows."""
        rows = x.view(-1, x.shape[-1])
        into = scratch("branch", *rows.shape) if out is None else out.view(rows.shape)
        if into is None or not scratch.reuses:
            return self.fc2(gelu(self.fc1(rows), approximate=self.approximate), into).view(x.shape)
        chunk = min(len(rows), max(1, HIDDEN_BYTES // (self.fc1.width * x.element_size())))
        hidden = scratch("hidden", chunk, self.fc1.width)
        for part, place in zip(parts(rows, chunk), parts(into, chunk), strict=True):
            activated = self.fc1(part, hidden[: len(part)])  # type: ignore[index]
            activate_(activated, self.approximate, scratch)
            self.fc2(activated, place)
        return into.view(x.shape)


def activate_(x: Tensor, approximate: str, scratch: Scratch) -> None:
    """GELU of x [rows,width] in place, by tiles that stay in cache."""
    if approximate == "none":
        x.copy_(gelu(x))  # exact: one fast pass already
        return
    tile = max(1, TILE_BYTES * torch.get_num_threads() // (x.shape[1] * x.element_size()))
    buffer = scratch("gelu", tile, x.shape[1])
    for part in parts(x, tile):
        gate = torch.addcmul(scratch.first, part, part, value=THIRD, out=buffer[: len(part)])  # type: ignore[index]
        part.div_(gate.mul_(part).exp2_().add_(scratch.one))


def parts(x: Tensor, rows: int) -> Sequence[Tensor]:
    """x in pieces of `rows`; itself where it is one, since splitting takes as long as a small kernel."""
    return (x,) if x.shape[0] <= rows else x.split(rows)


def images_per_tile(h: Tensor) -> int:
    """How many images' tokens h [N,T,D] stay in a CPU's cache together; all of them on a GPU."""
    if not on_cpu(h):
        return len(h)
    return max(1, TILE_BYTES * torch.get_num_threads() // (h[0].numel() * h.element_size()))
