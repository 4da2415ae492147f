"""TaylorSeer: between refreshes, extrapolate every branch's output by finite differences (arXiv 2503.06923)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan, Span
from methods.refresh import DIFFUSERS, OFFICIAL, warmed_up

if TYPE_CHECKING:
    from models.denoiser import Denoiser

KINDS = {"both": (0, 1), "attn": (0,), "mlp": (1,)}  # places in a block


class TaylorSeer(CacheMethod):
    """The first `warmup` evaluations and every `interval`-th from there on are computed; nothing is forced at the end.

    Differences and order are those of the published code (methods/forecast.py): all orders are divided by the last
    gap, and the order grows by one a refresh. `cadence = "diffusers"` is the pattern of diffusers' hook, whose first
    refresh comes two evaluations after the warm-up; it stops reusing for the last `cooldown` evaluations.
    """

    name = "taylorseer"
    title = "TaylorSeer"
    parameters = {
        "interval": Parameter(int, 4, 1, 1000, help="evaluations between refreshes"),
        "order": Parameter(int, 4, 0, 8, help="highest order of the extrapolation; 0 holds the last output"),
        "warmup": Parameter(int, 2, 1, 1000, help="evaluations computed at the start"),
        "cadence": Parameter(str, OFFICIAL, choices=(OFFICIAL, DIFFUSERS), help="where refreshes fall"),
        "cooldown": Parameter(int, 0, 0, 1000, help="evaluations computed at the end"),
        "branches": Parameter(str, "both", choices=tuple(KINDS), help="which branches are extrapolated"),
    }
    tiny = {"interval": 3, "order": 2}
    exact = {"interval": 1}
    interval: int
    order: int
    warmup: int
    cadence: str
    cooldown: int
    branches: str

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Between refreshes the chosen branches are extrapolated."""
        return extrapolated(model, sampler, self, Span(0, model.num_branches, order=self.order), KINDS[self.branches])


def extrapolated(
    model: Denoiser, sampler: Sampler, method: CacheMethod, span: Span, places: tuple[int, ...] = (0, 1)
) -> Plan:
    """The plan of a method with `interval`, `warmup` and perhaps `cadence` and `cooldown`, reusing what `span` says."""
    settings = {key: method.params[key] for key in ("cadence", "cooldown") if key in method.params}
    count = len(sampler.evaluations(model.noise_schedule))
    full = warmed_up(count, method.params["interval"], method.params["warmup"], **settings)
    spans: tuple[Span, ...] = (span,)
    if len(places) < 2:
        spans = tuple(Span(j, j + 1, order=span.order) for j in range(places[0], model.num_branches, 2))
    return Plan(model.num_branches, tuple(() if computed else spans for computed in full))
