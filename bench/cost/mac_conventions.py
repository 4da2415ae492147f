"""The work of a plan in the units of the papers, so that their figures can be found again. docs/published.md compares.

Papers call different things "MACs". Ours (`bench.cost.plan_cost`) counts matrix products and convolutions of one image,
attention products and both guidance halves included. The others, as their code or arithmetic shows:

* `l2c`: thop's hooks on one unguided forward: linear layers, convolutions and layer norms (2 operations a value, 4 with
  an affine part); attention products are not modules and escape it.
* `toca`: floating-point operations, 2 a product, of both guidance halves: the blocks alone, attention products and some
  element-wise work included; adaLN at one operation a product. ToCa, DuCa, TaylorSeer, ChebBooster print it.
* `smoothcache`: products of 64 forwards (32 guided images): linear layers on tokens, those of both ends twice, layer
  norms at 4 operations a value, no attention products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

from bench.cost.plan_cost import plan_macs
from methods.plan import BRANCH, Plan
from models.denoiser import Denoiser
from models.dit import DiT
from models.uvit import UViT


@dataclass(frozen=True)
class Executed:
    """How often one trajectory runs each piece of a denoiser."""

    evaluations: int
    computed: np.ndarray  # float [branches]: a branch that is computed in part counts for that part
    passed: np.ndarray  # int [branches]: computed, or reused with its gate
    entered: np.ndarray  # int [blocks]: the long skip joined


def executed(plan: Plan) -> Executed:
    """The counts of a plan; inside a span that keeps a state or an offset nothing runs."""
    passed = np.full(plan.branches, len(plan))
    for span in (span for row in plan.rows for span in row if span.keep != BRANCH):
        passed[span.start : span.stop] -= 1
    return Executed(len(plan), plan.shares.sum(axis=0), passed, passed[::2])


def attention_products(model: Denoiser) -> int:
    """MACs of QK^T and AV in one attention branch: 2 T^2 D."""
    T, D = model.token_shape()
    return 2 * T**2 * D


def linear_macs(model: Denoiser, index: int) -> int:
    """MACs of a branch's linear layers on tokens; DiT's shift and scale, made once an image, apart."""
    conditioning = 2 * model.token_shape()[1] ** 2 if isinstance(model, DiT) else 0
    return model.branch_macs(index) - conditioning - (attention_products(model) if index % 2 == 0 else 0)


def linear_total(model: Denoiser, runs: Executed) -> int:
    return round(sum(float(n) * linear_macs(model, j) for j, n in enumerate(runs.computed)))


def entering_total(model: Denoiser, runs: Executed) -> int:
    return sum(int(n) * model.enter_block_macs(b) for b, n in enumerate(runs.entered))


def layer_norm_ops(model: Denoiser) -> int:
    """What thop counts for one layer norm of one image's tokens."""
    T, D = model.token_shape()
    affine = any(m.elementwise_affine for m in model.modules() if isinstance(m, nn.LayerNorm))
    return (4 if affine else 2) * T * D


def l2c(model: Denoiser, plan: Plan) -> int | None:
    """thop's MACs of one unguided forward an evaluation; modulations are made at every one, as in the code of L2C."""
    if not isinstance(model, (DiT, UViT)):
        return None
    runs = executed(plan)
    modulation = 3 * model.width**2 * int(runs.passed.sum()) if isinstance(model, DiT) else 0
    norms = round(layer_norm_ops(model) * (float(runs.computed.sum()) + runs.evaluations))
    fixed = runs.evaluations * model.embed_macs() + entering_total(model, runs)
    return fixed + modulation + norms + linear_total(model, runs)


def toca(model: Denoiser, plan: Plan) -> int | None:
    """FLOPs of both guidance halves as the ToCa family's code adds them up; DiT alone."""
    if not isinstance(model, DiT):
        return None
    runs = executed(plan)
    T, D = model.token_shape()
    heads: int = model.blocks[0].attn.num_heads  # type: ignore[union-attr, assignment]
    attention, mlp = float(runs.computed[::2].sum()), float(runs.computed[1::2].sum())
    products = 2 * (linear_total(model, runs) + attention * attention_products(model))
    elementwise = attention * (T * D + 5 * heads * T**2) + mlp * 6 * T * model.mlp_width + (attention + mlp) * T * D
    modulation = int(runs.passed[::2].sum()) * (6 * D**2 + D)
    return round(2 * (products + elementwise + modulation))


def smoothcache(model: Denoiser, plan: Plan) -> int | None:
    """MACs of 64 forwards, without attention products and without what is made once an image; DiT alone.

    The rule for what every evaluation pays, cached or not, is found by arithmetic: it gives the paper's figures.
    """
    if not isinstance(model, DiT):
        return None
    runs = executed(plan)
    T, D = model.token_shape()
    ends = T * D * model.patch_size**2 * (model.latent_shape[0] + model.out_channels)  # patch embedding, output layer
    norms = 4 * T * D * (2 * model.num_blocks + 1)
    return 64 * (runs.evaluations * (2 * ends + norms) + linear_total(model, runs))


def ditbench(model: Denoiser, plan: Plan) -> int | None:
    """Ours: MACs of one guided image."""
    return 2 * plan_macs(model, plan)


@dataclass(frozen=True)
class Convention:
    """`count` gives a trajectory's figure in single operations; None where no paper counted such a denoiser."""

    name: str
    unit: str
    count: Callable[[Denoiser, Plan], int | None]
    meaning: str


CONVENTIONS = {
    c.name: c
    for c in (
        Convention("ditbench", "MACs", ditbench, "one image, both guidance halves, attention products included"),
        Convention("l2c", "MACs", l2c, "one unguided forward, layer norms included, attention products not (thop)"),
        Convention("toca", "FLOPs", toca, "one image, both guidance halves, blocks alone, 2 FLOPs a product"),
        Convention(
            "smoothcache",
            "MACs",
            smoothcache,
            "64 forwards, linear layers and norms, no attention products",
        ),
    )
}


def in_conventions(model: Denoiser, plan: Plan) -> dict[str, int]:
    """A trajectory's figure in every convention that applies to the denoiser."""
    counts = {name: convention.count(model, plan) for name, convention in CONVENTIONS.items()}
    return {name: count for name, count in counts.items() if count is not None}
