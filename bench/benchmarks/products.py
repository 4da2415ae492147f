"""A trajectory's matrix products and attention and nothing else: a floor of its time for every exact code.

Norms, activations, residuals, embedding, sampler and guidance are left out, and so are the reads of what is reused.
`published / products` is therefore the most that any other arrangement of the rest could gain on these kernels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.sampling.compiled.kernels import AttentionLayer, Maker, MlpLayer, Product, parts
from bench.sampling.compiled.regional import weights
from bench.sampling.compiled.workspace import Workspace
from methods.plan import Plan
from models.dit import DiT


class Products:
    """The products of a guided trajectory of a DiT, on rows of normal values, in the compiled path's buffers.

    A computed branch's on the tokens of both halves [2B,T,D]; the modulations' on one row for every evaluation and
    distinct label, the least that the network's definition allows. `product`: whose kernels.
    """

    def __init__(self, model: DiT, plan: Plan, labels: Tensor, product: Maker = Product) -> None:
        images, (T, D) = 2 * len(labels), model.token_shape()
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(images, T, D, generator=generator)
        self.conditions = torch.randn(len(plan) * (len(labels.unique()) + 1), D, generator=generator)
        self.modulations = [product(*weights(layer)) for layer in model.modulated()]
        blocks: list[Any] = list(model.blocks)
        pairs = [(AttentionLayer(b.attn, product), MlpLayer(b.mlp, product)) for b in blocks]
        self.branches: list[Any] = [layer for pair in pairs for layer in pair]
        self.computed = [row.nonzero()[0] for row in plan.computed]
        self.work = Workspace(self.x, (images, T, D), blocks[0].attn.num_heads, model.mlp_width)

    @torch.inference_mode()
    def __call__(self, noise: Tensor, labels: Tensor) -> None:
        for modulation in self.modulations:
            modulation(self.conditions)
        for layer in (self.branches[index] for row in self.computed for index in row):
            if isinstance(layer, AttentionLayer):
                layer(self.x, self.work, None)
            else:
                mlp(layer, self.x, self.work)


def mlp(layer: MlpLayer, x: Tensor, work: Workspace) -> None:
    """Both products of an MLP, in the chunks of rows that the compiled path takes."""
    for rows, place in zip(parts(x, work), parts(work.out, work), strict=True):
        hidden = work.hidden[: len(rows)]
        layer.fc1(rows, hidden)
        layer.fc2(hidden, place)
