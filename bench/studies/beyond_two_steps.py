"""L2C where several evaluations in a row are decided, beside other ways to the same speed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import methods
from bench.cost.roofline import Rates, ideal_seconds
from bench.sampling import make_plan
from bench.statistics.ratio_of_means import ratio_of_means
from bench.studies.lab.masks import Cacheable, Learned, Mask, learned
from bench.studies.lab.plots import errorbars, logarithmic
from bench.studies.lab.result import Table
from bench.studies.lab.subject import BATCH, Subject
from bench.studies.lab.trial import Trial, mean_error
from bench.studies.lab.words import interval_text
from bench.suite.cells import Part
from methods.plan import Plan, from_mask, uncached

NAME = "beyond-two-steps"
QUESTION = (
    "With a full evaluation only every third to sixth time, does L2C still win over fewer steps, FORA, TaylorSeer?"
)

RATES = Rates(21e9, 14e9)  # of one core: what the uncached small models and a copy reached in results/small-full
RIVALS = ("fewer steps", "FORA", "TaylorSeer")


@dataclass(frozen=True)
class Settings:
    """Routers of every interval with `sampler`; FORA and TaylorSeer of the same intervals; `fewer` steps, uncached."""

    sampler: Part
    intervals: tuple[int, ...]
    fewer: tuple[int, ...]
    seeds: int
    order: int = 1  # TaylorSeer's: more have too few refreshes to stand on
    coarse: int = 1


DDIM_20 = Part("ddim", {"steps": 20})
FULL = Settings(DDIM_20, (2, 3, 4, 5, 6), (20, 16, 13, 10, 8, 7, 6, 5, 4), seeds=48)
QUICK = Settings(DDIM_20, (2, 3), (20, 10, 5), seeds=4, coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a way to be faster. Raises Unanswerable where no routers are shipped."""
    routers = {n: learned(subject, settings.sampler.method, n) for n in settings.intervals}
    trial = Trial(subject, settings.sampler, settings.seeds, settings.coarse)
    return {
        "resolution": step("resolution", lambda: trial.solution.resolution),
        "fewer steps": step("fewer", lambda: [with_steps(trial, steps) for steps in settings.fewer]),
        "FORA": step("fora", lambda: [cached(trial, "fora", interval=n) for n in settings.intervals]),
        "TaylorSeer": step(
            "taylorseer",
            lambda: [cached(trial, "taylorseer", interval=n, order=settings.order) for n in settings.intervals],
        ),
        "L2C": [point for n in routers for point in step(f"l2c-{n}", partial(routed, trial, n, routers[n]))],
    }


def with_steps(trial: Trial, steps: int) -> dict[str, Any]:
    """The same sampler with fewer steps, uncached."""
    part = Part(trial.part.name, {**trial.part.given, "steps": steps})
    plan = uncached(trial.subject.evaluations(part.method), trial.subject.model.num_branches)
    errors = trial.solution.errors(trial.subject.latents(part.method, None, range(trial.seeds))).tolist()
    return {"steps": steps, "speedup": speedup(trial, plan), "errors": errors}


def cached(trial: Trial, method: str, **params: int) -> dict[str, Any]:
    plan = make_plan(trial.subject.model, trial.part.method, methods.build(method, **params))
    return {**params, "speedup": speedup(trial, plan), "errors": trial.errors(plan)}


def routed(trial: Trial, interval: int, routers: list[Learned]) -> list[dict[str, Any]]:
    """The shipped routers of an interval, each with its own mask."""
    cacheable = Cacheable.of(trial.subject, trial.part.method, interval)
    return [by_router(trial, cacheable, interval, router) for router in routers]


def by_router(trial: Trial, cacheable: Cacheable, interval: int, router: Learned) -> dict[str, Any]:
    mask: Mask = router.mask
    return {
        "interval": interval,
        "l1": router.l1,
        "removed": cacheable.removed(mask),
        "speedup": speedup(trial, from_mask(mask)),
        "errors": trial.errors(mask),
    }


def speedup(trial: Trial, plan: Plan) -> float:
    """Least time of the sampler uncached over that of the plan (bench/cost/roofline.py), at RATES."""
    subject = trial.subject
    whole = uncached(subject.evaluations(trial.part.method), subject.model.num_branches)
    guided = subject.guidance != 1
    first, second = (ideal_seconds(subject.model, p, BATCH, guided, 4, RATES) for p in (whole, plan))
    return first / second


def at_speed(points: Iterable[dict[str, Any]], wanted: float) -> np.ndarray | None:
    """Errors [seeds] at a speed-up between two points, on straight lines of both logarithms; None outside of them."""
    ordered = sorted(points, key=lambda point: point["speedup"])
    for slow, fast in pairwise(ordered):
        if slow["speedup"] <= wanted <= fast["speedup"]:
            share = np.log(wanted / slow["speedup"]) / max(np.log(fast["speedup"] / slow["speedup"]), 1e-12)
            return np.exp((1 - share) * np.log(slow["errors"]) + share * np.log(fast["errors"]))
    return None


def against(data: dict[str, Any], rival: str) -> list[dict[str, Any] | None]:
    """L2C's error over a rival's at equal time, of every router; None where the rival has no such speed."""
    ratios: list[dict[str, Any] | None] = []
    for point in data["L2C"]:
        other = at_speed(data[rival], point["speedup"])
        ratios.append(None if other is None else asdict(ratio_of_means(np.array([point["errors"]]), other[None])))
    return ratios


def answer(data: dict[str, Any]) -> str:
    """One sentence: how often L2C beyond two steps surely wins, and how it stands at best."""
    beyond = [i for i, point in enumerate(data["L2C"]) if point["interval"] > 2]
    ratios = {rival: against(data, rival) for rival in RIVALS}
    wins = []
    for rival in RIVALS:
        known = [ratio for i in beyond if (ratio := ratios[rival][i])]
        wins.append(f"{rival} with {sum(r['high'] < 1 for r in known)} (worse: {sum(r['low'] > 1 for r in known)}) "
                    f"of {len(known)} routers")  # fmt: skip
    fewer = {i: ratio for i in beyond if (ratio := ratios[RIVALS[0]][i])}
    said = f"Beyond two steps L2C is in equal roofline time surely better than {', '.join(wins)}"
    if not fewer:
        return f"{said}."
    best = min(fewer, key=lambda i: fewer[i]["value"])
    point = data["L2C"][best]
    return (
        f"{said}; at best its error is {interval_text(fewer[best])} times that of fewer steps (interval "
        f"{point['interval']}, {point['speedup']:.1f} times as fast)."
    )


def tables(data: dict[str, Any]) -> list[Table]:
    ratios = [against(data, rival) for rival in RIVALS]
    rows = tuple(
        (f"{p['interval']}", f"{p['l1']:g}", f"{100 * p['removed']:.0f} %", f"{p['speedup']:.2f}", error_text(data, p),
         *(interval_text(ratio[i]) if ratio[i] else "–" for ratio in ratios))  # type: ignore[arg-type]
        for i, p in enumerate(data["L2C"])
    )  # fmt: skip
    others = tuple(
        (rival, f"{p.get('steps', p.get('interval'))}", f"{p['speedup']:.2f}", error_text(data, p))
        for rival in RIVALS
        for p in data[rival]
    )
    head = ("interval", "λ", "removed", "speed-up", "error", *(f"error / {rival}" for rival in RIVALS))
    return [
        Table("L2C, and its error over that of others in equal time", head, rows),
        Table("The others", ("way", "steps or interval", "speed-up", "error"), others),
    ]


def error_text(data: dict[str, Any], point: dict[str, Any]) -> str:
    return interval_text(mean_error(point["errors"], data["resolution"]), 4)


def plot(data: dict[str, Any]) -> Any:
    """Left errors by speed-up, right L2C's error over that of others in equal time, paired by seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.9, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for rival, mark in zip(RIVALS, ("ko-", "s-", "^-"), strict=True):
        points = sorted(data[rival], key=lambda p: p["speedup"])
        left.plot([p["speedup"] for p in points], [np.mean(p["errors"]) for p in points], mark, markersize=3,
                  linewidth=1, label=rival)  # fmt: skip
    intervals = sorted({point["interval"] for point in data["L2C"]})
    for n, colour in zip(intervals, ("#9ecae1", "#6baed6", "#3182bd", "#08519c", "#08306b"), strict=False):
        points = [p for p in data["L2C"] if p["interval"] == n]
        left.plot([p["speedup"] for p in points], [np.mean(p["errors"]) for p in points], "d--", color=colour,
                  markersize=5, linewidth=0.6, label=f"L2C, interval {n}")  # fmt: skip
    for rival, mark, colour in zip(RIVALS, "os^", ("black", "C0", "C1"), strict=True):
        known = [(p["speedup"], r) for p, r in zip(data["L2C"], against(data, rival), strict=True) if r]
        if known:
            errorbars(right, *zip(*known, strict=True), fmt=mark, color=colour, label=f"over {rival}")
    right.axhline(1.0, color="black", linestyle="--", linewidth=0.8)
    logarithmic(left.xaxis, left.yaxis)
    left.set(ylabel="error to the exact solution")
    right.set(ylabel="L2C's error / the other's, equal time")
    for axes in (left, right):
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
        axes.set_xlabel("speed-up by the roofline")
        axes.grid(alpha=0.3)
    return figure
