"""CFG-Cache: run the conditional half alone and reuse what guidance's other half differed by (arXiv 2410.19355)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import GUIDANCE, Plan, Span

if TYPE_CHECKING:
    from models.denoiser import Denoiser


class CfgCache(CacheMethod):
    """Guidance runs the network twice, with the label and without. What the two outputs differ by changes slowly, so
    from `start` of the trajectory on only every `interval`-th evaluation runs both; the others run the conditional
    half, and reuse the difference, extrapolated with `order` 1 and more.

    The part of FasterCache that is about guidance. Its code also lets low and high frequencies of the difference grow
    by a tenth at every reuse, and reuses attention, which is other methods' work here.
    """

    name = "cfg-cache"
    title = "CFG-Cache"
    parameters = {
        "interval": Parameter(int, 5, 1, 1000, help="evaluations from one with both halves to the next"),
        "start": Parameter(float, 1 / 3, 0.0, 1.0, help="share of the trajectory before which both halves run"),
        "order": Parameter(int, 0, 0, 8, help="of the difference's extrapolation"),
    }
    tiny = {"interval": 2, "start": 0.0}
    exact = {"interval": 1}
    interval: int
    start: float
    order: int

    def supports(self, model: Denoiser, sampler: Sampler) -> str | None:
        """Without a null class there is no unconditional half."""
        return None if model.can_be_guided else "cfg-cache: the denoiser has no null class, so no guidance"

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Both halves before `start` and at every `interval`-th evaluation of all."""
        count = len(sampler.evaluations(model.noise_schedule))
        reuse = (Span(0, model.num_branches, GUIDANCE, self.order),)
        rows = (() if k < self.start * count or k % self.interval == 0 else reuse for k in range(count))
        return Plan(model.num_branches, tuple(rows))
