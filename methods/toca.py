"""ToCa: between refreshes, recompute the MLP for the tokens that matter most (arXiv 2410.05317)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import STATE, Plan, Span
from methods.token_choice import ALL, SCORES, UNRUN, TokenChoice

if TYPE_CHECKING:
    from models.denoiser import Denoiser

FULL, PARTIAL, AGGRESSIVE = "full", "partial", "aggressive"
LAST_LAYER = 27  # of DiT-XL/2: hard-coded in the published slopes over layers
RATIOS = ("ToCa-ddim50", "ToCa-ddpm250", "ToCa", "constant", "linear", "layerwise", "exp", "linear-layerwise")


class ToCa(CacheMethod):
    """Attention is reused whole and the MLP is recomputed for a share of the tokens, chosen in each image.

    Evaluations count down, i = E - 1 … 0. A block is computed in full at the first, and where i is a multiple of an
    interval that a computed first block sets anew: `interval` / (1.4 - 0.8 i / E), rounded; 2 for i in [0.2 E, 0.4 E).
    As in the published code (e84096f) every block decides with the interval of that moment, so the first block may be
    computed where the rest is not. `ratio` 0 is FORA with a fixed interval. `ratio_schedule` spreads the share over
    steps and layers; `score` is what is known of a token, to which `staleness` × (evaluations since it was computed) /
    `interval` is added; the best of every 2 × 2 tokens is then raised by `bonus`. Scores are per image of the batch.
    """

    name = "toca"
    title = "ToCa"
    parameters = {
        "interval": Parameter(int, 4, 1, 1000, help="evaluations between refreshes, before its schedule"),
        "ratio": Parameter(float, 0.07, 0.0, 1.0, help="share of the tokens that is recomputed, before its schedule"),
        "ratio_schedule": Parameter(str, "ToCa-ddim50", choices=RATIOS, help="of the share, over steps and layers"),
        "score": Parameter(str, "attention", choices=SCORES, help="what is known of a token"),
        "staleness": Parameter(float, 0.25, 0.0, 1e6, help="weight of a token's age"),
        "bonus": Parameter(float, 0.6, 0.0, 1e6, help="raise of the best of every 2 × 2 tokens"),
    }
    tiny = {"interval": 3, "ratio": 0.3, "ratio_schedule": "constant"}
    exact = {"interval": 1, "ratio": 0.0}
    aggressive: ClassVar[bool] = False  # whether every other evaluation skips the whole stack
    interval: int
    ratio: float
    ratio_schedule: str
    score: str
    staleness: float
    bonus: float

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        count, tokens = len(sampler.evaluations(model.noise_schedule)), model.token_shape()[0]
        types = self.types(count)
        picked = tuple(
            tuple(
                self.picked(types[k][block > 0], count - 1 - k, count, block, tokens)
                for block in range(model.num_blocks)
            )
            for k in range(count)
        )
        rows = tuple(spans(row, types[k], model.num_branches, tokens) for k, row in enumerate(picked))
        grid = round((tokens - getattr(model, "extras", 0)) ** 0.5)
        staleness = self.staleness / self.interval
        return Plan(model.num_branches, rows, policy=TokenChoice(picked, grid, self.score, staleness, self.bonus))

    def types(self, count: int) -> list[tuple[str, str]]:
        """(first block, other blocks) of every evaluation, in execution order."""
        interval, types = self.interval, []
        for i in reversed(range(count)):
            first = self.type(i, count, interval)
            if first == FULL:
                interval = self.next_interval(i, count)
            types.append((first, FULL if i == count - 1 else self.type(i, count, interval)))
        return types

    def type(self, i: int, count: int, interval: int) -> str:
        if i == count - 1 or i % interval == 0:
            return FULL
        return AGGRESSIVE if self.aggressive and i % interval % 2 == 0 else PARTIAL

    def next_interval(self, i: int, count: int) -> int:
        if self.ratio == 0:
            return self.interval
        if int(0.2 * count) <= i < int(0.4 * count) and self.interval > 1:
            return 2
        factor = np.float32(1 + 0.4 - 2 * 0.4 * i / count)
        return max(1, int(np.round(np.float32(self.interval) / factor)))

    def picked(self, type: str, i: int, count: int, block: int, tokens: int) -> int:
        """Tokens of each image that the block's MLP recomputes; ALL where the block is computed in full."""
        if type != PARTIAL:
            return ALL if type == FULL else UNRUN
        share = self.ratio * schedule(self.ratio_schedule, i / count, block / LAST_LAYER)
        return int(float(np.float32(min(max(share, 0.0), 1.0))) * tokens)


def spans(picked: Sequence[int], types: tuple[str, str], branches: int, tokens: int) -> tuple[Span, ...]:
    """One evaluation's spans, from what is picked in each block and the types of the first block and the others."""
    if types[1] == AGGRESSIVE:
        return (Span(2 if types[0] == FULL else 0, branches, STATE),)
    computed: list[Span] = []
    for block, count in enumerate(picked):
        if count != ALL:
            computed.append(Span(2 * block, 2 * block + 1))
        if 0 <= count < tokens:
            computed.append(Span(2 * block + 1, 2 * block + 2, fresh=count / tokens))
    return tuple(computed)


def schedule(name: str, step: float, layer: float) -> float:
    """Factor of the ratio at `step`, from 1 down to 0, and `layer`, from 0 up to 1 in DiT-XL/2."""

    def slope(weight: float, place: float) -> float:
        return 1 + weight - 2 * weight * place

    mlp = 1 + 0.6 * 2.5  # what attention gives up
    return {
        "constant": 1.0,
        "linear": slope(0.9, step),
        "layerwise": slope(0.9, layer),
        "exp": 0.9**step,
        "ToCa-ddpm250": slope(0.4, step) * slope(0.8, layer) * mlp,
        "linear-layerwise": slope(0.4, step) * slope(0.8, layer) * mlp,
    }.get(name, slope(2.0, step) * slope(-0.2, layer) * mlp)  # ToCa-ddim50, and DuCa's ToCa
