"""The sublayers, written so that on a CPU they run in buffers that already exist and, where they can, in its cache."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from weakref import ReferenceType, ref

import torch
from torch import Tensor
from torch.nn.functional import gelu, scaled_dot_product_attention
from torch.utils.weak import WeakIdKeyDictionary

from bench.sampling.compiled.regional import attention_branch, mlp_branch, regional, weights
from bench.sampling.compiled.workspace import TILE_BYTES, Workspace, on_cpu, split_heads
from models.denoiser import Attention, Mlp

STORED_VALUES = 2**20  # of a layer's weights that are worth a second copy in the order that products like
_stored: MutableMapping[Tensor, ReferenceType[Tensor]] = WeakIdKeyDictionary()  # of weights, while a trajectory lives


def by_input(weight: Tensor) -> Tensor:
    """Weights [out,in] as [in,out]; stored in that order on a CPU, where products of few rows gain 3 to 8 %.

    Trajectories of one model share the copy; weights that were changed since get another.
    """
    if not on_cpu(weight) or weight.numel() > STORED_VALUES:
        return weight.t()
    known = _stored.get(weight)
    copy = None if known is None else known()
    if copy is None or copy.dtype != weight.dtype or not torch.equal(copy, weight.t()):
        copy = weight.detach().t().contiguous()
        _stored[weight] = ref(copy)
    return copy


class Product:
    """A linear layer's weights, ready to be applied to rows: attribute look-ups and transposition done once."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = by_input(weight), bias

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        """rows [R,in] -> [R,out], in `out` where given."""
        if self.bias is None:
            return torch.mm(rows, self.weight, out=out)
        return torch.addmm(self.bias, rows, self.weight, out=out)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        """Rows [R,in/2] of two inputs -> [R,out], without joining them: cat[h, skip] W = h W_1 + skip W_2."""
        half, other = self.weight.split(first.shape[1])
        return torch.addmm(self.bias, first, half).addmm_(second, other)

    def activated(self, rows: Tensor, work: Workspace, approximate: str) -> Tensor:
        """GELU of [R,out], the hidden tokens of a chunk of rows [R,in], in the workspace."""
        count = rows.shape[0]
        hidden = work.hidden if count == work.chunk else work.hidden[:count]
        self(rows, hidden)
        work.activate_(hidden, approximate)
        return hidden


Maker = Callable[[Tensor, Tensor | None], Product]  # of a layer's weights [out,in] and bias


@dataclass(frozen=True)
class Projected:
    """What a policy's look at an attention branch leaves for the branch itself, which comes next."""

    index: int
    tokens: Tensor
    heads: tuple[Tensor, ...]

    def of(self, index: int, tokens: Tensor) -> bool:
        return index == self.index and tokens is self.tokens


class AttentionLayer:
    def __init__(self, layer: Attention, product: Maker = Product) -> None:
        self.weights = (*weights(layer.qkv), *weights(layer.proj))
        self.qkv, self.proj, self.heads = product(*weights(layer.qkv)), product(*weights(layer.proj)), layer.num_heads

    def fused(self, h: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
        """The layer of h's norm, by a function that torch has compiled."""
        return regional(attention_branch)(h, shift, scale, eps, *self.weights, self.heads)

    def project(self, x: Tensor, work: Workspace | None) -> tuple[Tensor, ...]:
        """x [N,T,D] -> q, k, v, each [N,H,T,D/H]; in the workspace until the next projection."""
        if work is None:
            return split_heads(self.qkv(x.view(-1, x.shape[-1])), len(x), self.heads)
        self.qkv(x.view(work.shape), work.qkv)
        return work.heads

    def attend(self, heads: tuple[Tensor, ...], work: Workspace | None, out: Tensor | None) -> Tensor:
        """What is projected -> [N,T,D]."""
        mixed = mix(heads)
        shape = (*mixed.shape[:2], self.proj.weight.shape[0])
        out = work.out if work is not None and out is None else out
        rows = self.proj(mixed.reshape(-1, shape[2]), None if out is None else out.view(-1, shape[2]))
        return rows.view(shape) if out is None else out

    def __call__(self, x: Tensor, work: Workspace | None, out: Tensor | None) -> Tensor:
        """x [N,T,D] -> [N,T,D]."""
        return self.attend(self.project(x, work), work, out)


class MlpLayer:
    def __init__(self, layer: Mlp, product: Maker = Product) -> None:
        self.weights = (*weights(layer.fc1), *weights(layer.fc2))
        self.fc1, self.fc2 = product(*weights(layer.fc1)), product(*weights(layer.fc2))
        self.approximate = layer.act.approximate

    def fused(self, h: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
        """The layer of h's norm, by a function that torch has compiled."""
        return regional(mlp_branch)(h, shift, scale, eps, *self.weights, self.approximate)

    def __call__(self, x: Tensor, work: Workspace | None, out: Tensor | None) -> Tensor:
        """x [N,T,D] -> [N,T,D], on a CPU in chunks of rows."""
        if work is None:
            rows = x.view(-1, x.shape[-1])
            hidden = gelu(self.fc1(rows), approximate=self.approximate)
            return self.fc2(hidden, None if out is None else out.view(rows.shape)).view(x.shape)
        out = work.out if out is None else out
        for rows, place in zip(parts(x, work), parts(out, work), strict=True):
            self.fc2(self.fc1.activated(rows, work, self.approximate), place)
        return out


def part_of(layer: AttentionLayer | MlpLayer, x: Tensor, work: Workspace | None) -> Tensor:
    """A layer of fewer images, or an MLP of fewer tokens, x [N,K,D] -> [N,K,D]; the workspace's heads are for all."""
    if work is None or isinstance(layer, AttentionLayer):
        return layer(x, None, None)
    return layer(x, work, torch.empty_like(x))


def mix(heads: tuple[Tensor, ...]) -> Tensor:
    """Attention of q, k, v, each [N,H,T,D/H] -> [N,T,H,D/H]."""
    return scaled_dot_product_attention(*heads).transpose(1, 2)


def parts(x: Tensor, work: Workspace) -> Sequence[Tensor]:
    """The rows of x in chunks; undivided where they are one, since splitting takes as long as a small kernel."""
    rows = x.view(-1, work.shape[1])
    return (rows,) if rows.shape[0] <= work.chunk else rows.split(work.chunk)


def images_per_tile(h: Tensor) -> int:
    """How many images' tokens h [N,T,D] stay in a CPU's cache together; all of them on a GPU."""
    if not on_cpu(h):
        return len(h)
    return max(1, TILE_BYTES * torch.get_num_threads() // (h[0].numel() * h.element_size()))
