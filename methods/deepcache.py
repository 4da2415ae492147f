"""DeepCache: keep the deep features, recompute only the outer blocks between refreshes (arXiv 2312.00858)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import OFFSET, STATE, Plan, Span
from methods.refresh import UNSHIFTED, interval_parameter, pattern_parameter, refreshes

if TYPE_CHECKING:
    from models.denoiser import Denoiser


class DeepCache(CacheMethod):
    """Every `interval` evaluations compute all; else only the first and last `depth` blocks.

    On U-ViT, as on the U-Nets of the paper, the tokens that enter the last `depth` blocks are the kept ones,
    and those blocks' long skips come fresh from the first `depth` blocks. DiT has no long skips, so kept
    tokens would discard the fresh first blocks: there the middle blocks' residual offset is kept and added to
    the current tokens. This DiT form is ours, named DeepCache for its schedule, and is not in the paper.
    """

    name = "deepcache"
    title = "DeepCache"
    parameters = {
        "interval": interval_parameter(),
        "depth": Parameter(int, default=1, low=1, high=1000, help="blocks computed at either end"),
        "pattern": pattern_parameter(UNSHIFTED),
    }
    tiny = {"interval": 2, "depth": 1}
    exact = {"interval": 1}
    interval: int
    depth: int
    pattern: str

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """A block has to be left between the first and last `depth`."""
        if 2 * self.depth >= model.num_blocks:
            return f"deepcache: depth {self.depth} leaves nothing to keep of {model.num_blocks} blocks"
        return None

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Between refreshes the inner blocks' kept state (with long skips) or offset (DiT) stands in their place."""
        edge = 2 * self.depth  # branches
        deep = (Span(edge, model.num_branches - edge, STATE if model.skips else OFFSET),)
        count = len(sampler.evaluations(model.noise_schedule))
        rows = (() if full else deep for full in refreshes(count, self.interval, self.pattern))
        return Plan(model.num_branches, tuple(rows))
