"""What reuse itself cannot do without: a floor of the time of a plan's reused branches for every exact code.

Each kept tensor is read once and added to the tokens, and tokens that are computed anew are gathered, multiplied and
put back. Gates, norms, activations, scores and decisions are left out. Wholly computed branches are not run: their
cost is the uncached trajectory's, by MACs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bench.benchmarks.products import mlp
from bench.cost.plan_cost import plan_macs
from bench.sampling.compiled.kernels import AttentionLayer, MlpLayer
from bench.sampling.compiled.workspace import Workspace
from methods.plan import WHOLE, Plan, Span
from models.dit import DiT


class ReuseFloor:
    """The reused part of a guided trajectory of a DiT, on rows of normal values."""

    def __init__(self, model: DiT, plan: Plan, labels: Tensor) -> None:
        self.model, (self.T, D) = model, model.token_shape()
        self.tokens = torch.randn(2 * len(labels), self.T, D, generator=torch.Generator().manual_seed(0))
        slots = {slot for row in plan.rows for span in row if span.keep not in WHOLE for slot in span.slots()}
        self.kept = {slot: torch.full((slot.order + 1, *self.tokens.shape), 1e-9) for slot in slots}
        self.rows = [[span for span in row if span.keep not in WHOLE] for row in plan.rows]
        counts = {self.count(span) for row in self.rows for span in row if span.fresh}
        self.places = {K: places(len(self.tokens), self.T, K) for K in counts}
        blocks: list[Any] = list(model.blocks)
        heads = blocks[0].attn.num_heads
        self.work = {K: Workspace(self.tokens, (len(self.tokens), K, D), heads, model.mlp_width) for K in counts}
        self.layers: list[Any] = [layer for b in blocks for layer in (AttentionLayer(b.attn), MlpLayer(b.mlp))]

    def count(self, span: Span) -> int:
        """Tokens of each image that are computed anew."""
        return max(1, round(span.fresh * self.T))

    @torch.inference_mode()
    def __call__(self) -> None:
        for span in (span for row in self.rows for span in row):
            for slot in span.slots():
                for tensor in self.kept[slot]:
                    self.tokens.add_(tensor)
            if span.fresh:
                self.compute(span.start, self.count(span))

    def compute(self, index: int, count: int) -> None:
        """A branch on `count` tokens [2B,K,D] of every image."""
        flat, place, work = self.tokens.flatten(0, 1), self.places[count], self.work[count]
        x, layer = flat.index_select(0, place).view(len(self.tokens), count, -1), self.layers[index]
        if isinstance(layer, AttentionLayer):
            layer(x, work, None)
        else:
            mlp(layer, x, work)
        flat.index_copy_(0, place, x.flatten(0, 1))


def places(images: int, tokens: int, count: int) -> Tensor:
    """`count` rows of each image, spread over it: int64 [images count]."""
    each = torch.linspace(0, tokens - 1, count).long()
    return (torch.arange(images).unsqueeze(1) * tokens + each).flatten()


def computed_share(model: DiT, plan: Plan) -> float:
    """MACs of what is computed whole, and of what is never reused, as a share of the uncached trajectory's."""
    held = replace(plan, rows=tuple(tuple(replace(span, fresh=0.0) for span in row) for row in plan.rows))
    return plan_macs(model, held) / plan_macs(model, replace(plan, rows=((),) * len(plan), looked=()))
