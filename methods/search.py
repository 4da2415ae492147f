"""Search: our own plan, found without gradients from measured sensitivities, for a budget of measured latency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.calibration import Calibration, calibration_file, cost, expect_fits, is_number, read_calibration
from methods.method import CacheMethod, Parameter, Sampler
from methods.plan import Plan
from methods.searching.forecast import DYNAMIC, GREEDY, evaluations, forecasting, marks, share
from models.errors import InputError

if TYPE_CHECKING:
    from models.denoiser import Denoiser

ROUNDING = 1e-9  # of a budget


class OverBudget(InputError):
    """No plan of a calibration is as fast as was asked for."""


class Search(CacheMethod):
    """The network's output is forecast wherever a calibration found that it costs the least error.

    The calibration (methods/searching) holds the best plan that was found for each number of computed evaluations,
    `by` either way of choosing them, with the error that it should have, and what a forecast takes of the time of a
    computed evaluation. Taken is the plan of least error within `budget`, a share of the uncached latency; it may take
    less. A forecast goes on from the last two computed outputs, linearly in evaluation index, by the plan's slope times
    their difference: above 1 it leans ahead of the evaluation that it stands for, which makes up for how far a sampler
    of first order lags behind.
    """

    name = "search"
    title = "Search"
    parameters = {
        "calibration": Parameter(object, required=True, help="file of `ditbench calibrate search`, or a shipped one"),
        "budget": Parameter(float, None, 0.0, 1.0, required=True, help="most latency, as a share of the uncached one"),
        "by": Parameter(str, GREEDY, choices=(GREEDY, DYNAMIC), help="how the plan was chosen"),
    }
    calibration: Any
    budget: float
    by: str
    training: dict[str, Any] | None = None

    @classmethod
    def exact_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        return _invented(1, len(sampler.evaluations(model.noise_schedule)))

    @classmethod
    def tiny_params(cls, model: Denoiser, sampler: Sampler) -> dict[str, Any]:
        return _invented(2, len(sampler.evaluations(model.noise_schedule)))

    def validate(self) -> None:
        """Raises InputError where the calibration is none of this method's."""
        self.stored = read_calibration(self.name, self.calibration)
        self.training = cost(self.stored)

    def files(self, model: str, sampler: Sampler) -> list[Path]:
        """The calibration's file, on which a result depends."""
        if isinstance(self.calibration, (str, Path)):
            return [calibration_file(self.name, self.calibration)]
        return []

    def plan(self, model: Denoiser, sampler: Sampler) -> Plan:
        """Raises InputError where the calibration does not fit the denoiser and the sampler, or exceeds the budget."""
        expect_fits(self.stored, model, sampler)
        count = len(sampler.evaluations(model.noise_schedule))
        chosen = self.affordable(count)
        notes = {"calibration": self.stored["source"], "slope": chosen["slope"], "training": self.training}
        return forecasting(model, count, evaluations(chosen["computed"]), chosen["slope"], notes)

    def affordable(self, count: int) -> dict[str, Any]:
        """The best plan, of `count` evaluations, within the budget: its `computed` ones and `slope`."""
        source, data = self.stored["source"], self.stored["data"]
        reuse, plans = data.get("reuse"), data.get(self.by)
        if not is_number(reuse) or not 0 <= reuse <= 1:
            raise InputError(f"{source}: 'reuse' must be a number in [0, 1], got {reuse!r}")
        if not isinstance(plans, list) or not plans or not all(_is_plan(plan, count) for plan in plans):
            raise InputError(
                f"{source}: '{self.by}' must be a list of plans, each with 'computed', {count} marks 0 or 1, the first "
                "of them 1, 'slope', a number in (0, 1000], and 'error', a number"
            )
        latency = {plan["computed"]: share(plan["computed"].count("1"), count, reuse) for plan in plans}
        within = [plan for plan in plans if latency[plan["computed"]] <= self.budget + ROUNDING]
        if not within:
            raise OverBudget(
                f"{source}: its fastest plan takes {min(latency.values()):.3g} of the uncached latency, 'budget' is "
                f"{self.budget:g}"
            )
        return min(within, key=lambda plan: (plan["error"], latency[plan["computed"]]))

    @staticmethod
    def calibrator(model: Denoiser, evaluations: int) -> Calibration:
        """What finds the plans, for `ditbench calibrate`."""
        from methods.searching.sensitivity import Finder

        return Finder()


def _is_plan(plan: Any, count: int) -> bool:
    """Whether JSON's value is a plan: marks of which the first is 1, a slope above 0, and an error."""
    if not isinstance(plan, dict) or not all(is_number(plan.get(key)) for key in ("slope", "error")):
        return False
    marked = plan.get("computed")
    if not isinstance(marked, str) or len(marked) != count or marked[0] != "1":
        return False
    return set(marked) <= {"0", "1"} and 0 < plan["slope"] <= 1000


def _invented(every: int, count: int) -> dict[str, Any]:
    """Parameters with a calibration of nobody: the first two evaluations and every so many after them are computed."""
    computed = [k for k in range(count) if k < 2 or k % every == 0]
    data = {"reuse": 0.0, GREEDY: [{"computed": marks(computed, count), "slope": 1.0, "error": 0.0}]}
    return {"calibration": {"method": Search.name, "data": data}, "budget": 1.0}
