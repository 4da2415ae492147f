"""DiT's fast form: modulations of many evaluations at once, tokens updated in place, unread outputs left out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import silu

from bench.sampling.compiled.kernels import (
    AttentionLayer,
    Maker,
    MlpLayer,
    Product,
    Projected,
    images_per_tile,
    part_of,
)
from bench.sampling.compiled.network import Combination
from bench.sampling.compiled.regional import fused_sum, weights
from bench.sampling.compiled.workspace import Workspace, on_cpu, workspaces
from methods.policy import pick
from models.dit import DiT

TABLE_BYTES = 2**27  # of the modulations that are made together


class DiTNetwork:
    """The Network for DiT. `variances`: the sampler reads them; `fuse`: by torch.compile; `product`: the kernels."""

    def __init__(
        self, model: DiT, timesteps: Sequence[float], variances: bool, fuse: bool, product: Maker = Product
    ) -> None:
        self.model, self.fuse = model, fuse
        p, C = model.patch_size, model.out_channels
        self.channels = C if variances or not model.learn_sigma else C // 2
        final = model.final_layer.linear
        rows = torch.arange(p * p * C, device=final.weight.device).view(p * p, C)[:, : self.channels].flatten()
        self.final = product(final.weight[rows], final.bias[rows])
        self.modulations = [product(*weights(layer)) for layer in model.modulated()]
        patches = model.x_embedder.proj
        self.patch_weight = patches.weight.flatten(1).t()  # [C p p, D]
        self.positions = (model.pos_embed + patches.bias).to(patches.weight.dtype)[0]  # [T,D]
        self.unit = (torch.ones_like(self.positions[0]), torch.zeros_like(self.positions[0]))
        pairs = [(AttentionLayer(b.attn, product), MlpLayer(b.mlp, product)) for b in model.blocks]
        self.layers = [layer for pair in pairs for layer in pair]  # by branch
        self.eps = [norm.eps for b in model.blocks for norm in (b.norm1, b.norm2)]  # by branch
        self.t = torch.tensor(list(timesteps), dtype=torch.float32, device=final.weight.device)
        self.end()

    def begin(self, labels: Tensor, images: int) -> None:
        model = self.model
        self.images, shape = images, (len(labels), len(self.positions), model.width)
        self.works = workspaces(self.positions, shape, self.layers[0].heads, model.mlp_width, images)
        self.distinct, self.which = distinct(labels, images)
        row_bytes = len(self.distinct) * 6 * model.num_blocks * model.width * self.positions.element_size()
        self.together = max(1, TABLE_BYTES // row_bytes)  # evaluations

    def end(self) -> None:
        self.table = self.final_table = self.which = self.distinct = torch.empty(0)
        self.chunks: tuple[Tensor, ...] = ()
        self.images, self.together, self.work = 0, 1, None
        self.works = {}
        self.made = -1  # the first evaluation that `table` is of
        self.projected: Projected | None = None

    def modulate(self, k: int) -> None:
        """Make the modulations of the evaluations that begin at k, for every distinct label: [E,U,2L,3,D]."""
        self.made, model, t, labels = k, self.model, self.t[k : k + self.together], self.distinct
        c = model.by_part(lambda t_of, y_of: silu(t_of(t).unsqueeze(1) + y_of(labels)).flatten(0, 1))  # each [E U,D]
        shape = len(t), len(labels)
        table = c[0].new_empty(len(c[0]), model.num_blocks, 6 * model.width)
        *blocks, final = self.modulations
        for block, layer in enumerate(blocks):
            layer(c[block], table[:, block])
        self.table = table.view(*shape, model.num_branches, 3, model.width)  # shift, scale, gate
        self.table[:, :, :, 1] += 1
        self.final_table = final(c[-1]).view(*shape, 2, model.width)
        self.final_table[:, :, 1] += 1

    def embed(self, k: int, x: Tensor, halves: int) -> Tensor:
        which = self.which[: halves * len(x)]
        self.work = self.works.get(len(which))
        row = k % self.together
        if k - row != self.made:  # the first evaluation of a table may be one that does not embed
            self.modulate(k - row)
        chosen = self.table[row].index_select(0, which)  # [N,2L,3,D]
        self.chunks = chosen.flatten(1, 2).unsqueeze(2).unbind(1)  # 6 L of [N,1,D]
        self.final_shift, self.final_scale = self.final_table[row].index_select(0, which).unsqueeze(2).unbind(1)
        p, g, D = self.model.patch_size, self.model.grid, self.model.width
        patches = x.to(self.positions.dtype).view(len(x), -1, g, p, g, p).permute(0, 2, 4, 1, 3, 5)
        tokens = patches.reshape(len(x), g * g, -1) @ self.patch_weight
        h = tokens.new_empty(len(which), g * g, D)
        for half in h.split(len(x)):
            torch.add(tokens, self.positions, out=half)
        return h

    def enter_block(self, block: int, h: Tensor, skip: Tensor | None) -> Tensor:
        return h

    def branch(self, index: int, h: Tensor, out: Tensor | None) -> Tensor:
        projected, self.projected = self.projected, None
        shift, scale, layer = self.chunks[3 * index], self.chunks[3 * index + 1], self.layers[index]
        if projected is not None and projected.of(index, h):
            return layer.attend(projected.heads, self.work, out)
        if self.fuse:
            return layer.fused(h, shift, scale, self.eps[index])
        return layer(modulated_norm(h, shift, scale, self.unit, self.eps[index]), self.work, out)

    def branch_input(self, index: int, h: Tensor) -> Tensor:
        return modulated_norm(h, self.chunks[3 * index], self.chunks[3 * index + 1], self.unit, self.eps[index])

    def project(self, index: int, h: Tensor, ahead: bool) -> Sequence[Tensor]:
        heads = self.layers[index].project(self.branch_input(index, h), self.work)
        self.projected = Projected(index, h, heads) if ahead else None
        return heads

    def part(self, index: int, h: Tensor, fresh: Tensor) -> Tensor:
        shift, scale = self.chunks[3 * index], self.chunks[3 * index + 1]
        if fresh.ndim == 1:
            shift, scale = shift[fresh], scale[fresh]
        z = modulated_norm(pick(h, fresh), shift, scale, self.unit, self.eps[index])
        return part_of(self.layers[index], z, self.work)

    def residual(self, index: int, h: Tensor, out: Tensor, keep: bool) -> Tensor:
        gate = self.chunks[3 * index + 2]
        return torch.addcmul(h, gate, out) if keep else h.addcmul_(gate, out)

    def reuse(self, kept: Sequence[tuple[int, Combination]], h: Tensor, keep: bool) -> Tensor:
        self.projected = None
        terms = [(self.chunks[3 * j + 2], tensor, weight) for j, terms in kept for tensor, weight in terms]
        if self.fuse:
            return fused_sum(h, [gate * weight for gate, _, weight in terms], [tensor for _, tensor, _ in terms])
        h = h.clone() if keep else h
        step = images_per_tile(h)
        if step >= len(h):
            return add_gated_(h, terms)
        for n in range(0, len(h), step):  # each tile of h stays in cache while the kept tensors stream by
            part = slice(n, n + step)
            add_gated_(h[part], [(gate[part], tensor[part], weight) for gate, tensor, weight in terms])
        return h

    def unembed(self, h: Tensor) -> Tensor:
        p, g, C = self.model.patch_size, self.model.grid, self.channels
        eps = self.model.final_layer.norm_final.eps
        x = modulated_norm(h, self.final_shift, self.final_scale, self.unit, eps)
        patches = self.final(x.view(-1, x.shape[-1])).view(-1, g, g, p, p, C)
        return patches.permute(0, 5, 1, 3, 2, 4).reshape(-1, C, g * p, g * p)

    work: Workspace | None
    final_shift: Tensor
    final_scale: Tensor


def distinct(labels: Tensor, images: int) -> tuple[Tensor, Tensor]:
    """Distinct labels [U] and which of them each of `labels` [N] is.

    On a GPU finding them would wait for it: there every image has a row and all unconditional halves share one.
    """
    if on_cpu(labels):
        return labels.unique(return_inverse=True)
    rows = labels[: min(len(labels), images + 1)]
    return rows, torch.arange(len(labels), device=labels.device).clamp(max=len(rows) - 1)


def modulated_norm(h: Tensor, shift: Tensor, scale: Tensor, unit: tuple[Tensor, Tensor], eps: float) -> Tensor:
    """Layer norm of h [N,T,D], times scale [N,1,D] (which includes the 1) plus shift.

    `unit`, ones and zeros [D], are its parameters: torch's kernel for a norm without any takes twice as long.
    """
    normed = torch.layer_norm(h, (h.shape[-1],), *unit, eps)
    return torch.addcmul(shift, normed, scale, out=normed)


def add_gated_(h: Tensor, terms: list[tuple[Tensor, Tensor, float]]) -> Tensor:
    """h += Σ weight * gate * tensor, in place."""
    for gate, tensor, weight in terms:
        h.addcmul_(gate, tensor, value=weight)
    return h
