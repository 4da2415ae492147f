"""FORA: recompute everything at a fixed interval, reuse everything between (arXiv 2407.01425)."""

from __future__ import annotations

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, Span
from models.denoiser import Denoiser


class Fora(CacheMethod):
    """At evaluation k of E, with i = E - 1 - k counting down: compute iff k = 0 or i % interval = 0.

    The official rule: the last evaluation is always computed, so the first interval may be short.
    """

    name = "fora"
    title = "FORA"
    parameters = {"interval": Parameter(int, low=1, high=1000, required=True, help="evaluations between refreshes")}
    tiny = {"interval": 2}
    exact = {"interval": 1}
    interval: int

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        last = len(sampler.evaluations(model.noise_schedule)) - 1
        reuse = (Span(0, model.num_branches),)
        rows = (() if k == 0 or (last - k) % self.interval == 0 else reuse for k in range(last + 1))
        return Plan(model.num_branches, tuple(rows))
