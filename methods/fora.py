"""FORA: recompute everything at a fixed interval, reuse everything between (arXiv 2407.01425)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.method import CacheMethod, Sampler
from methods.plan import Plan, Span
from methods.refresh import FROM_END, interval_parameter, pattern_parameter, refreshes

if TYPE_CHECKING:
    from models.denoiser import Denoiser


class Fora(CacheMethod):
    """Every branch is computed at a refresh, and reused in between.

    By the official rule the last evaluation is a refresh, so the first interval may be short. With interval 2 and the
    other patterns it is what the L2C paper calls caching all layers (table 6), shifted and not.
    """

    name = "fora"
    title = "FORA"
    parameters = {"interval": interval_parameter(), "pattern": pattern_parameter(FROM_END)}
    tiny = {"interval": 2}
    exact = {"interval": 1}
    interval: int
    pattern: str

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Every `interval`-th evaluation computes all; in between every branch's kept output is reused."""
        reuse = (Span(0, model.num_branches),)
        count = len(sampler.evaluations(model.noise_schedule))
        rows = (() if full else reuse for full in refreshes(count, self.interval, self.pattern))
        return Plan(model.num_branches, tuple(rows))
