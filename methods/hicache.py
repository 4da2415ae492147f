"""HiCache: TaylorSeer's differences under contracted Hermite polynomials (arXiv 2508.16984)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import BRANCH, OUTPUT, Plan, Span
from methods.taylorseer import extrapolated

if TYPE_CHECKING:
    from models.denoiser import Denoiser


class HiCache(CacheMethod):
    """The first `warmup` evaluations and every `interval`-th from there on are computed, the others forecast.

    No code of the paper's authors for class-conditional DiT is public: each branch's output is forecast, as the text
    says. `keep = "output"` is HiCache++ (hicache-plus-plus d7bb862): the denoiser's output is forecast, and no part of
    the network runs. Its published default warms up for `interval` evaluations.
    """

    name = "hicache"
    title = "HiCache"
    parameters = {
        "interval": Parameter(int, 4, 1, 1000, help="evaluations between refreshes"),
        "order": Parameter(int, 2, 0, 8, help="highest order of the forecast"),
        "sigma": Parameter(float, 0.5, 0.0, 10.0, help="contraction of the Hermite polynomials; 0: Taylor's instead"),
        "warmup": Parameter(int, 2, 1, 1000, help="evaluations computed at the start"),
        "keep": Parameter(str, BRANCH, choices=(BRANCH, OUTPUT), help="what is forecast"),
    }
    tiny = {"interval": 3, "order": 2}
    exact = {"interval": 1}
    interval: int
    order: int
    sigma: float
    warmup: int
    keep: str

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """TaylorSeer's refreshes; in between the branches are predicted by Hermite polynomials."""
        span = Span(0, model.num_branches, self.keep, self.order, self.sigma)
        return extrapolated(model, sampler, self, span)
