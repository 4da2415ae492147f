"""U-ViT's fast form: tokens updated in place, long skips joined without concatenating, extra tokens made once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

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
from bench.sampling.compiled.regional import weights
from bench.sampling.compiled.workspace import Workspace, workspaces
from methods.policy import pick
from models.denoiser import timestep_embedding
from models.uvit import UViT


class UViTNetwork:
    """bench.sampling.compiled.network.Network for U-ViT, whose branches have no gates and no conditioning."""

    def __init__(self, model: UViT, timesteps: Sequence[float], fuse: bool, product: Maker = Product) -> None:
        self.model, self.fuse = model, fuse
        self.blocks = [model.block(b) for b in range(model.num_blocks)]
        self.joins = [b.skip_linear and product(*weights(b.skip_linear)) for b in self.blocks]
        self.norms = [norm for b in self.blocks for norm in (b.norm1, b.norm2)]  # by branch
        pairs = [(AttentionLayer(b.attn, product), MlpLayer(b.mlp, product)) for b in self.blocks]
        self.layers = [layer for pair in pairs for layer in pair]
        patches = model.patch_embed.proj
        self.patch_weight = patches.weight.flatten(1).t()  # [C p p, D]
        self.positions = model.pos_embed[0, model.extras :] + patches.bias  # [T',D]
        self.t = torch.tensor(list(timesteps), dtype=torch.float32, device=patches.weight.device)
        self.end()

    def begin(self, labels: Tensor, images: int) -> None:
        """Time and label tokens of every evaluation: [E,1,D] and [N,1,D], their positions added."""
        model = self.model
        shape = len(labels), model.extras + len(self.positions), model.width
        self.works = workspaces(self.positions, shape, self.layers[0].heads, model.mlp_width, images)
        time = model.time_embed(timestep_embedding(self.t, model.width).to(self.positions.dtype))
        self.time = (time + model.pos_embed[0, model.extras - 1]).unsqueeze(1)
        if model.num_classes > 0:
            self.label = (model.label_emb(labels) + model.pos_embed[0, 0]).unsqueeze(1)

    def end(self) -> None:
        self.time = self.label = torch.empty(0)
        self.work, self.works = None, {}
        self.projected: Projected | None = None

    def embed(self, k: int, x: Tensor, halves: int) -> Tensor:
        p, g, extras = self.model.patch_size, self.model.grid, self.model.extras
        patches = x.to(self.positions.dtype).view(len(x), -1, g, p, g, p).permute(0, 2, 4, 1, 3, 5)
        tokens = patches.reshape(len(x), g * g, -1) @ self.patch_weight
        h = tokens.new_empty(halves * len(x), extras + g * g, self.model.width)
        self.work = self.works.get(len(h))
        if extras == 2:
            h[:, :1] = self.label[: len(h)]
        h[:, extras - 1 : extras] = self.time[k]
        for half in h[:, extras:].split(len(x)):
            torch.add(tokens, self.positions, out=half)
        return h

    def enter_block(self, block: int, h: Tensor, skip: Tensor | None) -> Tensor:
        join = self.joins[block]
        if skip is None or join is None:
            return h
        D = h.shape[-1]
        return join.joined(h.view(-1, D), skip.view(-1, D)).view(h.shape)

    def branch(self, index: int, h: Tensor, out: Tensor | None) -> Tensor:
        projected, self.projected = self.projected, None
        norm, layer = self.norms[index], self.layers[index]
        if projected is not None and projected.of(index, h):
            return layer.attend(projected.heads, self.work, out)
        if self.fuse:
            return layer.fused(h, norm.bias, norm.weight, norm.eps)
        return layer(norm(h), self.work, out)

    def branch_input(self, index: int, h: Tensor) -> Tensor:
        return self.norms[index](h)

    def project(self, index: int, h: Tensor, ahead: bool) -> Sequence[Tensor]:
        heads = self.layers[index].project(self.branch_input(index, h), self.work)
        self.projected = Projected(index, h, heads) if ahead else None
        return heads

    def part(self, index: int, h: Tensor, fresh: Tensor) -> Tensor:
        return part_of(self.layers[index], self.branch_input(index, pick(h, fresh)), self.work)

    def residual(self, index: int, h: Tensor, out: Tensor, keep: bool) -> Tensor:
        return h + out if keep else h.add_(out)

    def reuse(self, kept: Sequence[tuple[int, Combination]], h: Tensor, keep: bool) -> Tensor:
        self.projected = None
        terms = [term for _, combination in kept for term in combination]
        if keep:
            h, terms = h.add(terms[0][0], alpha=terms[0][1]), terms[1:]
        step = images_per_tile(h)
        for n in range(0, len(h), step):
            for tensor, weight in terms:
                h[n : n + step].add_(tensor[n : n + step], alpha=weight)
        return h

    def unembed(self, h: Tensor) -> Tensor:
        model = self.model
        p, g, C = model.patch_size, model.grid, model.out_channels
        patches = model.decoder_pred(model.norm(h)[:, model.extras :]).view(-1, g, g, p, p, C)
        return model.final_layer(patches.permute(0, 5, 1, 3, 2, 4).reshape(-1, C, g * p, g * p))

    work: Workspace | None
