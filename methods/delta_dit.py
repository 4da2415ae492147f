"""Δ-DiT: keep the residual offset of the rear blocks early on, of the front blocks later (arXiv 2406.01125)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import OFFSET, Plan, Span
from methods.refresh import UNSHIFTED, refreshes

if TYPE_CHECKING:
    from models.denoiser import Denoiser


class DeltaDiT(CacheMethod):
    """Every `interval`-th evaluation computes all blocks; else the offset of `blocks` of them is added instead.

    Rear blocks shape detail, which is decided late, and front blocks the outline, decided early: before `front` of the
    trajectory the rear blocks' offset is reused, after it the front blocks'. No code is public; this follows the
    paper's text. `front` is its bound b as a share of the evaluations, `blocks` its number of cached blocks.
    """

    name = "delta-dit"
    title = "Δ-DiT"
    parameters = {
        "interval": Parameter(int, 2, 1, 1000, help="evaluations between refreshes"),
        "front": Parameter(float, 0.5, 0.0, 1.0, help="share of the trajectory after which front blocks are skipped"),
        "blocks": Parameter(int, None, 1, 1000, help="blocks skipped; default: three quarters"),
    }
    tiny = {"interval": 2}
    exact = {"interval": 1}
    interval: int
    front: float
    blocks: int | None

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """A block has to be left that is computed."""
        if self.skipped(model) >= model.num_blocks:
            return f"delta-dit: 'blocks' = {self.blocks} leaves none of {model.num_blocks} blocks"
        return None

    def skipped(self, model: Denoiser) -> int:
        """How many blocks are skipped: as stated, else three quarters, at least one."""
        return self.blocks or max(1, 3 * model.num_blocks // 4)

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Between refreshes the offset of the rear blocks, after `front` of the trajectory that of the front ones."""
        end, skipped = model.num_branches, 2 * self.skipped(model)
        rear, front = Span(end - skipped, end, OFFSET), Span(0, skipped, OFFSET)
        count = len(sampler.evaluations(model.noise_schedule))
        full = refreshes(count, self.interval, UNSHIFTED)
        rows = [() if full[k] else ((rear if k < self.front * count else front),) for k in range(count)]
        return Plan(end, tuple(rows))
