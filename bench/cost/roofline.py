"""The time that a plan cannot go below: its MACs at one rate, the bytes of what it reuses at another.

A reused branch computes nothing, but the tensor that stands for it still has to be read. So the speed-up that MACs
promise is out of reach where computing is fast; this one is what a perfect implementation would show. The model, in
terms of one tensor of tokens, `batch * halves * T * D * bytes_per_value` bytes:

    seconds = sum over evaluations of  max(MACs / macs_per_s, weight bytes / bytes_per_s) + reused bytes / bytes_per_s

* MACs are those of bench.cost.plan_cost: computed branches, and what runs also where all is reused (gates, joins,
  embedding).
* Weights of a computed matrix are read once an evaluation. Each makes one MAC a token, so their number is the MACs
  without the attention products, over T. Per-sample matrices (adaLN) thereby count as read once a trajectory.
* A run of consecutive reused branches is one fused pass over the tokens: read every kept tensor, read and write the
  tokens once. Where branches have no gate the run's outputs are added up when they are kept, and one tensor is read.
  A join of a long skip ends a run. A kept state is one tensor read; an offset one, and the tokens read and written.
* Writing what is kept, and all traffic of computed branches, count as hidden behind the arithmetic: it is a floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

from bench.cost.plan_cost import distinct_evaluations, evaluation_macs
from methods.plan import BRANCH, GUIDANCE, STATE, WHOLE, Plan, Span, uncached
from models.denoiser import Denoiser


@dataclass(frozen=True)
class Rates:
    """What a machine sustains: multiply-accumulates a second, and bytes read plus written a second."""

    macs_per_s: float
    bytes_per_s: float

    def __post_init__(self) -> None:
        if not (self.macs_per_s > 0 and self.bytes_per_s > 0):
            raise ValueError(f"rates must be positive, got {self.macs_per_s} MAC/s and {self.bytes_per_s} B/s")


def ideal_seconds(model: Denoiser, plan: Plan, batch: int, guided: bool, bytes_per_value: int, rates: Rates) -> float:
    """Least seconds of one trajectory of `batch` images, both guidance halves where `guided`."""
    tensors = batch * (2 if guided else 1)
    tokens, width = model.token_shape()
    total = 0.0
    for k, count in distinct_evaluations(plan):
        compute = tensors * evaluation_macs(model, plan, k) / rates.macs_per_s
        weights = weight_values(model, plan, k) * bytes_per_value / rates.bytes_per_s
        passes = sum(reuse_passes(model, span) for span in plan.rows[k])
        reuse = passes * tensors * tokens * width * bytes_per_value / rates.bytes_per_s
        total += count * (max(compute, weights) + reuse)
    return total


def ideal_speedup(model: Denoiser, plan: Plan, batch: int, guided: bool, bytes_per_value: int, rates: Rates) -> float:
    """`ideal_seconds` of the same sampler uncached, over that of `plan`: the roofline-ideal speed-up."""
    whole = uncached(len(plan), plan.branches)
    seconds = [ideal_seconds(model, p, batch, guided, bytes_per_value, rates) for p in (whole, plan)]
    return seconds[0] / seconds[1]


def weight_values(model: Denoiser, plan: Plan, k: int) -> float:
    """Weights of the matrices that evaluation k applies to all tokens."""
    if plan.rows[k] and plan.rows[k][0].keep == GUIDANCE:  # all matrices, for half of the images
        plan, k = uncached(1, plan.branches), 0
    tokens, width = model.token_shape()
    attention = int(plan.computed[k, 0::2].sum())
    return (evaluation_macs(model, plan, k) - attention * 2 * tokens**2 * width) / tokens


def reuse_passes(model: Denoiser, span: Span) -> float:
    """Tensors of tokens that a reused span reads or writes; extrapolation reads each of its differences.

    What is kept of the network's output has the latents' size, a small part of such a tensor.
    """
    kept = span.order + 1
    if span.keep in WHOLE:
        return (kept + 1) * prod(model.latent_shape) / prod(model.token_shape())
    if span.keep != BRANCH:
        return kept + (0 if span.keep == STATE else 2)
    return sum((kept * (stop - start) if _gated(model, start) else kept) + 2 for start, stop in runs(model, span))


def runs(model: Denoiser, span: Span) -> list[tuple[int, int]]:
    """A span's branches start..stop-1, split where a long skip joins."""
    joins = [j for j in range(span.start + 1, span.stop) if j % 2 == 0 and j // 2 in model.skips]
    edges = [span.start, *joins, span.stop]
    return list(pairwise(edges))


def _gated(model: Denoiser, index: int) -> bool:
    """Whether the branch's output is scaled by something that differs between evaluations."""
    return model.residual_macs(index) > 0
