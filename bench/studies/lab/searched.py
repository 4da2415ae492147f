"""Plans that `search` has found for two samplers, and what they are held against: rivals of the coarser one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bench.sampling import make_plan
from bench.studies import Unanswerable
from bench.studies.lab.subject import title
from bench.studies.lab.trial import Trial
from bench.studies.lab.ways import Way
from bench.suite.cells import Part
from methods.calibration import read_calibration
from methods.fora import Fora
from methods.l2c import L2C
from methods.method import CacheMethod
from methods.plan import uncached
from methods.routing.shipped import strengths
from methods.search import Search
from methods.searching.forecast import DYNAMIC, GREEDY, evaluations, forecasting
from methods.smoothcache import SmoothCache

SAME, FINER = "same", "finer"
LEAST = 0.2  # of the coarser sampler's evaluations: no rival is faster


@dataclass(frozen=True)
class Contest:
    """`same` is the rivals' sampler, plans of `finer` may spend as much."""

    same: Trial
    finer: Trial

    @property
    def model(self) -> str:
        return self.same.subject.spec.name

    def rivals(self, most: int) -> list[Way]:
        """Of each method so many settings at most. Raises Unanswerable where no router is shipped."""
        sampler = self.same.part.method
        routers = strengths(self.model, sampler)
        if not routers:
            raise Unanswerable(
                f"no router is shipped for {self.model} with {sampler.label}, which this study compares with"
            )
        calibration = f"{self.model}-{title(self.same.part)}"
        smooth = {x: SmoothCache(calibration=calibration, threshold=x) for x in (0.1, 0.2, 0.3)}
        kinds: list[list[tuple[str, str, CacheMethod]]] = [
            [("L2C", f"λ {l1:g}", L2C(l1=l1)) for l1 in routers],
            [("SmoothCache", f"α {x:g}", cache) for x, cache in smooth.items()],
            [("FORA", f"interval {n}", Fora(interval=n)) for n in (2, 3, 4)],
        ]
        return [self.rival(n, *one) for kind in kinds for n, one in enumerate(kind[:most])]

    def rival(self, number: int, method: str, setting: str, cache: CacheMethod) -> Way:
        plan = make_plan(self.same.subject.model, self.same.part.method, cache)
        return Way(f"{method}-{number}", {"method": method, "setting": setting}, self.same, plan)

    def plans(self, apart: int) -> list[Way]:
        """Of both samplers, chosen either way, those that compute as much as rivals may."""
        return [
            way
            for key, trial in ((SAME, self.same), (FINER, self.finer))
            for by in (GREEDY, DYNAMIC)
            for way in self.ladder(key, trial, by, apart)
        ]

    def ladder(self, key: str, trial: Trial, by: str, apart: int) -> list[Way]:
        """Plans of a calibration, from few computed evaluations to many."""
        count, least = (
            trial.subject.evaluations(trial.part.method),
            self.same.subject.evaluations(self.same.part.method),
        )
        found: list[Way] = []
        for one in self.calibration(trial)["data"][by]:
            computed = evaluations(one["computed"])
            last = found[-1].said["computed"] if found else LEAST * least - apart
            if last + apart <= len(computed) <= least:
                said = {"sampler": key, "by": by, "computed": len(computed), "expected": one["error"]}
                plan = forecasting(trial.subject.model, count, computed, one["slope"])
                found.append(Way(f"{key}-{by}-{len(computed)}", said, trial, plan))
        return found

    def solver(self, steps: int) -> Way:
        """DPM-Solver++ of order 2, uncached: what a better sampler does in that time."""
        part = Part("dpm-solver++", {"steps": steps})
        plan = uncached(self.same.subject.evaluations(part.method), self.same.subject.model.num_branches)
        return Way(f"solver-{steps}", {"steps": steps}, replace(self.same, part=part), plan)

    def calibration(self, trial: Trial) -> dict[str, Any]:
        return read_calibration(Search.name, f"{self.model}-{title(trial.part)}")

    def seconds(self) -> dict[str, Any]:
        """What was spent before sampling: on both calibrations, and on each router."""
        trained = [L2C(router=str(path)).training
                   for path in strengths(self.model, self.same.part.method).values()]  # fmt: skip
        calibrated = {
            key: self.calibration(trial)["seconds"] for key, trial in ((SAME, self.same), (FINER, self.finer))
        }
        return calibrated | {"routers": [training["seconds"] for training in trained if training]}
