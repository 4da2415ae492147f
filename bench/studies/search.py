"""Our own search for plans against L2C, SmoothCache and FORA: errors in no more time, and what bounds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

import methods
from bench.cost.roofline import ideal_seconds
from bench.sampling import make_plan
from bench.statistics.ratio_of_means import ratio_of_means
from bench.studies import Unanswerable
from bench.studies.beyond_two_steps import RATES
from bench.studies.lab.result import Table
from bench.studies.lab.subject import BATCH, Subject, title
from bench.studies.lab.trial import Trial, mean_error
from bench.studies.lab.words import interval_text
from bench.suite.cells import Part
from methods.calibration import read_calibration
from methods.l2c import L2C
from methods.method import CacheMethod
from methods.plan import Plan
from methods.routing.shipped import strengths
from methods.search import OverBudget, Search
from methods.searching.forecast import DYNAMIC, GREEDY

NAME = "search"
QUESTION = "Do plans found from measured sensitivities beat L2C, SmoothCache and FORA at equal cost, and how soon?"

TARGET = 0.7  # of L2C's error
L2C_NAME = "L2C"


@dataclass(frozen=True)
class Settings:
    """Rivals are of `sampler`, plans of it and of `finer`; of each rival at most so many `settings` are taken."""

    sampler: Part
    finer: Part
    seeds: int
    settings: int = 100
    coarse: int = 1


DDIM_50, DDIM_100 = Part("ddim", {"steps": 50}), Part("ddim", {"steps": 100})
FULL = Settings(DDIM_50, DDIM_100, seeds=24)
QUICK = Settings(DDIM_50, DDIM_100, seeds=4, settings=1, coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a rival's setting: its error, and those of what takes no more time."""
    field = Field(
        *(Trial(subject, part, settings.seeds, settings.coarse) for part in (settings.sampler, settings.finer))
    )
    rivals = [rival for kind in field.rivals() for rival in kind[: settings.settings]]
    return {
        "resolution": step("resolution", lambda: field.same.solution.resolution),
        "samplers": {name: title(trial.part) for name, trial in field.trials.items()},
        "uncached": step("uncached", lambda: {name: trial.errors(None) for name, trial in field.trials.items()}),
        "seconds": field.seconds(),
        "rivals": [
            step(f"rival-{n}", partial(field.against, name, setting, cache))
            for n, (name, setting, cache) in enumerate(rivals)
        ],
    }


class Field:
    """The rivals' sampler, and the `finer` one whose plans may spend as much."""

    def __init__(self, same: Trial, finer: Trial) -> None:
        self.same, self.trials = same, {"same": same, "finer": finer}
        self.model = same.subject.model
        self.known: dict[Any, list[float]] = {}

    def rivals(self) -> list[list[tuple[str, str, CacheMethod]]]:
        """By method: name, setting and the method. Raises Unanswerable where no router is shipped."""
        name, sampler = self.same.subject.spec.name, self.same.part.method
        routers = strengths(name, sampler)
        if not routers:
            raise Unanswerable(f"no router is shipped for {name} with {sampler.label}, which this study compares with")
        calibration = f"{name}-{title(self.same.part)}"
        smooth = {x: methods.build("smoothcache", calibration=calibration, threshold=x) for x in (0.1, 0.2, 0.3)}
        fora = {n: methods.build("fora", interval=n) for n in (2, 3, 4)}
        return [
            [(L2C_NAME, f"λ {l1:g}", L2C(l1=l1)) for l1 in routers],
            [("SmoothCache", f"α {x:g}", cache) for x, cache in smooth.items()],
            [("FORA", f"interval {n}", cache) for n, cache in fora.items()],
        ]

    def seconds(self) -> dict[str, Any]:
        """What was spent before sampling: on calibrations, and on each router."""
        name, sampler = self.same.subject.spec.name, self.same.part.method
        trained = [methods.build("l2c", router=str(path)).training for path in strengths(name, sampler).values()]
        calibrated = {key: self.calibration(key)["seconds"] for key in self.trials}
        return calibrated | {"routers": [training["seconds"] for training in trained if training]}

    def calibration(self, key: str) -> dict[str, Any]:
        return read_calibration(Search.name, f"{self.same.subject.spec.name}-{title(self.trials[key].part)}")

    def time(self, plan: Plan) -> float:
        """Least time (bench/cost/roofline.py) at the rates measured, over that of the rivals' sampler uncached."""
        whole, guided = make_plan(self.model, self.same.part.method, None), self.same.subject.guidance != 1
        ours, all_of_it = (ideal_seconds(self.model, one, BATCH, guided, 4, RATES) for one in (plan, whole))
        return ours / all_of_it

    def against(self, name: str, setting: str, cache: CacheMethod) -> dict[str, Any]:
        """A rival's error, and what our plans and DPM-Solver++ do in no more time; nothing where none is so cheap."""
        plan = make_plan(self.model, self.same.part.method, cache)
        time, errors = self.time(plan), self.same.errors(plan)
        ours = {f"{key} {by}": self.search(key, by, time) for key in self.trials for by in (GREEDY, DYNAMIC)}
        others = ours | {"solver": self.solver(int(time * len(plan) + 1e-9))}
        for other in others.values():
            if other:
                other["ratio"] = asdict(ratio_of_means(np.array([other["errors"]]), np.array([errors])))
        return {"method": name, "setting": setting, "time": time, "errors": errors, **others}

    def search(self, key: str, by: str, time: float) -> dict[str, Any] | None:
        """The best plan of a calibration within `time`; None where none is as fast."""
        trial = self.trials[key]
        here, there = (one.subject.evaluations(one.part.method) for one in (self.same, trial))
        budget = time * here / there
        try:
            plan = make_plan(
                self.model, trial.part.method, Search(calibration=self.calibration(key), budget=min(budget, 1.0), by=by)
            )
        except OverBudget:
            return None
        return {"time": self.time(plan), "errors": self.errors((key, plan.rows), lambda: trial.errors(plan))}

    def solver(self, steps: int) -> dict[str, Any]:
        """DPM-Solver++ of order 2, uncached: what a better sampler does in that time."""
        trial = Trial(self.same.subject, Part("dpm-solver++", {"steps": steps}), self.same.seeds, self.same.coarse)
        return {"steps": steps, "errors": self.errors(steps, lambda: trial.errors(None))}

    def errors(self, key: Any, measure: Callable[[], list[float]]) -> list[float]:
        """Measured once."""
        if key not in self.known:
            self.known[key] = measure()
        return self.known[key]


def against_l2c(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Of each of L2C's routers what stands against it, where it is as cheap."""
    return [rival[key] for rival in data["rivals"] if rival["method"] == L2C_NAME and rival[key]]


def ratios_text(data: dict[str, Any], method: str, key: str) -> str:
    """The range of the ratios to a method's errors."""
    ratios = [r[key]["ratio"]["value"] for r in data["rivals"] if r["method"] == method and r[key]]
    return f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else "–"


def answer(data: dict[str, Any]) -> str:
    """One sentence: the ratios, the target, the seconds, and what bounds it."""
    steps, more = (data["samplers"][key] for key in ("same", "finer"))
    rivals = sorted({rival["method"] for rival in data["rivals"]} - {L2C_NAME})
    others = "; ".join(
        f"{name}'s {ratios_text(data, name, f'same {GREEDY}')} and {ratios_text(data, name, f'finer {GREEDY}')} times"
        for name in rivals
    )
    met = {key: [against["ratio"] for against in against_l2c(data, f"{key} {GREEDY}")] for key in data["samplers"]}
    reached = {key: sum(ratio["value"] <= TARGET for ratio in ratios) for key, ratios in met.items()}
    surely = {key: sum(ratio["high"] <= TARGET for ratio in ratios) for key, ratios in met.items()}
    mean = {key: float(np.mean(errors)) for key, errors in data["uncached"].items()}
    seconds, routers = data["seconds"], data["seconds"]["routers"]
    return (
        f"In no more time than L2C, search's plans of {steps} end "
        f"{ratios_text(data, L2C_NAME, f'same {GREEDY}')} times as far from the exact solution and those of {more} "
        f"{ratios_text(data, L2C_NAME, f'finer {GREEDY}')} times (of the others: {others}); at most {TARGET} times "
        f"L2C's error is had against {reached['same']} and {reached['finer']} of {len(met['same'])} routers, surely "
        f"against {surely['same']} and {surely['finer']}, after {seconds['same']:.1f} s and {seconds['finer']:.1f} s "
        f"of calibration where a router takes {np.mean(routers):.1f} s; it is bounded by the sampler, whose own error "
        f"is {mean['same']:.4f} in {steps} and {mean['finer']:.4f} in {more}, known to within "
        f"{data['resolution']:.4f}, and DPM-Solver++ uncached ends {ratios_text(data, L2C_NAME, 'solver')} times as "
        f"far as L2C."
    )


def tables(data: dict[str, Any]) -> list[Table]:
    known, (steps, more) = data["resolution"], data["samplers"].values()
    keys = (f"same {GREEDY}", f"finer {GREEDY}", "solver")
    rows = tuple(
        (f"{r['method']}, {r['setting']}", f"{100 * r['time']:.0f} %", interval_text(mean_error(r["errors"], known), 4),
         *(interval_text(r[key]["ratio"]) if r[key] else "–" for key in keys))
        for r in data["rivals"]
    )  # fmt: skip
    ways = [f"{key} {by}" for key in data["samplers"] for by in (GREEDY, DYNAMIC)]
    chosen = tuple(
        (f"{100 * r['time']:.0f} %", *(f"{np.mean(r[way]['errors']):.4f}" if r[way] else "–" for way in ways))
        for r in sorted(data["rivals"], key=lambda rival: rival["time"])
    )
    heads = tuple(f"{sampler}, {by}" for sampler in (steps, more) for by in (GREEDY, DYNAMIC))
    spent = data["seconds"]
    cost = (
        (f"search, {steps}", f"{spent['same']:.1f} s"),
        (f"search, {more}", f"{spent['finer']:.1f} s"),
        ("L2C, a router", f"{min(spent['routers']):.1f} to {max(spent['routers']):.1f} s"),
    )
    return [
        Table(
            "Error to the exact solution, and ours over it in no more time",
            ("rival", "time", "error", f"search, {steps}", f"search, {more}", "DPM-Solver++"),
            rows,
        ),
        Table("Errors of plans by the way in which they were chosen", ("time at most", *heads), chosen),
        Table("Seconds before sampling", ("method", "seconds"), cost),
    ]


def plot(data: dict[str, Any]) -> Any:
    """Errors over time: the rivals, both kinds of plans and the better sampler."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.9, 3.4), layout="constrained")
    axes = figure.subplots()
    for method, mark in ((L2C_NAME, "o-"), ("SmoothCache", "s-"), ("FORA", "^-")):
        points = [(r["time"], np.mean(r["errors"])) for r in data["rivals"] if r["method"] == method]
        draw(axes, points, method, mark)
    for key, sampler in data["samplers"].items():
        found = [r[f"{key} {GREEDY}"] for r in data["rivals"] if r[f"{key} {GREEDY}"]]
        draw(axes, [(one["time"], np.mean(one["errors"])) for one in found], f"search, {sampler}", "D--")
    steps = int(data["samplers"]["same"].split("-")[-1])
    solver = [(r["solver"]["steps"] / steps, np.mean(r["solver"]["errors"])) for r in data["rivals"]]
    draw(axes, solver, "DPM-Solver++", "x:")
    axes.axhline(float(np.mean(data["uncached"]["same"])), color="grey", linewidth=0.8)
    axes.set(
        xlabel="time by the roofline, over uncached",
        ylabel="error to the exact solution",
        yscale="log",
    )
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    return figure


def draw(axes: Any, points: list[tuple[float, Any]], name: str, mark: str) -> None:
    """A line through points, from fast to slow."""
    axes.plot(*np.array(sorted(set(points))).T, mark, markersize=4, linewidth=1, label=name)
