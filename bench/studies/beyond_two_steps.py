"""L2C where several evaluations in a row are decided, beside other ways to the same speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.sampling import make_plan
from bench.studies.lab.latency import UNCACHED, Times
from bench.studies.lab.masks import Cacheable, learned
from bench.studies.lab.plots import errorbars, logarithmic
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial, mean_error
from bench.studies.lab.ways import Way, points, ratio_at_equal_time, times
from bench.studies.lab.words import interval_text
from bench.suite.cells import Part
from bench.suite.protocol import Timing
from methods.fora import Fora
from methods.method import CacheMethod
from methods.plan import from_mask, uncached
from methods.taylorseer import TaylorSeer

NAME = "beyond-two-steps"
QUESTION = (
    "With a full evaluation only every third to sixth time, does L2C still win over fewer steps, FORA, TaylorSeer?"
)
HOW = (
    "Of an interval N one evaluation in N is full, counted from the end; each between has a learned router of its "
    "own. Between two points of a rival errors are taken on straight lines of both logarithms, seed by seed, where "
    "its measured latency is that of L2C; the interval spans those at both ends of what the latencies are known to."
)

RIVALS = ("fewer steps", "FORA", "TaylorSeer")
L2C = "L2C"


@dataclass(frozen=True)
class Settings:
    """Routers of every interval with `sampler`; FORA and TaylorSeer of the same intervals; `fewer` steps, uncached."""

    sampler: Part
    intervals: tuple[int, ...]
    fewer: tuple[int, ...]
    seeds: int
    order: int = 1  # TaylorSeer's: more have too few refreshes to stand on
    coarse: int = 1
    timing: Timing = field(default_factory=Timing)


DDIM_20 = Part("ddim", {"steps": 20})
FULL = Settings(DDIM_20, (2, 3, 4, 5, 6), (20, 16, 13, 10, 8, 7, 6, 5, 4), seeds=48)
QUICK = Settings(DDIM_20, (2, 3), (20, 10, 5), seeds=4, coarse=10, timing=Timing(batch=1, rounds=2, seconds=0.0))


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step for the latencies of all, the first, and one a way. Raises Unanswerable where no router is shipped."""
    trial = Trial(subject, settings.sampler, settings.seeds, settings.coarse)
    ways = {
        RIVALS[0]: [with_steps(trial, steps) for steps in settings.fewer],
        RIVALS[1]: [cached(trial, Fora, interval=n) for n in settings.intervals],
        RIVALS[2]: [cached(trial, TaylorSeer, interval=n, order=settings.order) for n in settings.intervals],
        L2C: [way for n in settings.intervals for way in routed(trial, n)],
    }
    timed = times(trial, [way for found in ways.values() for way in found], settings.timing, step)
    return {
        "resolution": step("resolution", lambda: trial.solution.resolution),
        **{kind: points(found, step) for kind, found in ways.items()},
        "times": timed,
    }


def with_steps(trial: Trial, steps: int) -> Way:
    """The same sampler with fewer steps, uncached."""
    part = Part(trial.part.name, {**trial.part.given, "steps": steps})
    plan = uncached(trial.subject.evaluations(part.method), trial.subject.model.num_branches)
    return Way(f"steps-{steps}", {"steps": steps}, replace(trial, part=part), plan)


def cached(trial: Trial, method: type[CacheMethod], **params: int) -> Way:
    plan = make_plan(trial.subject.model, trial.part.method, method(**params))
    return Way(f"{method.name}-{params['interval']}", params, trial, plan)


def routed(trial: Trial, interval: int) -> list[Way]:
    """The shipped routers of an interval, each with its own mask."""
    cacheable = Cacheable.of(trial.subject, trial.part.method, interval)
    return [
        Way(
            f"l2c-{interval}-{router.l1:g}",
            {"interval": interval, "l1": router.l1, "removed": cacheable.removed(router.mask)},
            trial,
            from_mask(router.mask),
        )
        for router in learned(trial.subject, trial.part.method, interval)
    ]


def against(data: dict[str, Any], rival: str) -> list[dict[str, float] | None]:
    """L2C's error over a rival's at equal latency, of every router; None where the rival has no such latency."""
    known = Times(data["times"])
    return [ratio_at_equal_time(point, data[rival], known) for point in data[L2C]]


def speedup(known: Times, point: dict[str, Any]) -> dict[str, float]:
    """Latency of the sampler uncached over a point's."""
    return known.ratio(UNCACHED, point["name"])


def answer(data: dict[str, Any]) -> str:
    """One sentence: how often L2C beyond two steps surely wins, and how it stands at best."""
    beyond = [i for i, point in enumerate(data[L2C]) if point["interval"] > 2]
    ratios = {rival: against(data, rival) for rival in RIVALS}
    wins = []
    for rival in RIVALS:
        found = [ratio for i in beyond if (ratio := ratios[rival][i])]
        wins.append(f"{rival} with {sum(r['high'] < 1 for r in found)} (worse: {sum(r['low'] > 1 for r in found)}) "
                    f"of {len(found)} routers")  # fmt: skip
    fewer = {i: ratio for i in beyond if (ratio := ratios[RIVALS[0]][i])}
    said = f"Beyond two steps L2C is at equal measured latency surely better than {', '.join(wins)}"
    if not fewer:
        return f"{said}."
    best = min(fewer, key=lambda i: fewer[i]["value"])
    point = data[L2C][best]
    return (
        f"{said}; at best its error of {np.mean(point['errors']):.4f} is {interval_text(fewer[best])} times that of "
        f"fewer steps (interval {point['interval']}, {interval_text(speedup(Times(data['times']), point))} times as "
        f"fast as uncached)."
    )


def tables(data: dict[str, Any]) -> list[Table]:
    known, ratios = Times(data["times"]), [against(data, rival) for rival in RIVALS]
    rows = tuple(
        (f"{p['interval']}", f"{p['l1']:g}", f"{100 * p['removed']:.0f} %", interval_text(speedup(known, p)),
         error_text(data, p), *(interval_text(ratio[i]) if ratio[i] else "–" for ratio in ratios))  # type: ignore[arg-type]
        for i, p in enumerate(data[L2C])
    )  # fmt: skip
    others = tuple(
        (rival, f"{p.get('steps', p.get('interval'))}", interval_text(speedup(known, p)), error_text(data, p))
        for rival in RIVALS
        for p in data[rival]
    )
    head = ("interval", "λ", "removed", "speed-up", "error", *(f"error / {rival}" for rival in RIVALS))
    return [
        Table("L2C, and its error over that of others at equal latency", head, rows),
        Table("The others", ("way", "steps or interval", "speed-up", "error"), others),
        Table("Latency", ("what", "measured"), known.facts),
    ]


def error_text(data: dict[str, Any], point: dict[str, Any]) -> str:
    return interval_text(mean_error(point["errors"], data["resolution"]), 4)


def plot(data: dict[str, Any]) -> Any:
    """Left errors by speed-up, right L2C's error over that of others at equal latency, paired by seed."""
    from matplotlib.figure import Figure

    known = Times(data["times"])
    figure = Figure(figsize=(6.9, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for rival, mark in zip(RIVALS, ("ko-", "C2s-", "C1^-"), strict=True):
        line = sorted((speedup(known, p)["value"], np.mean(p["errors"])) for p in data[rival])
        left.plot(*zip(*line, strict=True), mark, markersize=3, linewidth=1, label=rival)
    intervals = sorted({point["interval"] for point in data[L2C]})
    for n, colour in zip(intervals, ("#9ecae1", "#6baed6", "#3182bd", "#08519c", "#08306b"), strict=False):
        line = [(speedup(known, p)["value"], np.mean(p["errors"])) for p in data[L2C] if p["interval"] == n]
        left.plot(
            *zip(*line, strict=True), "d--", color=colour, markersize=5, linewidth=0.6, label=f"L2C, interval {n}"
        )
    for rival, mark, colour in zip(RIVALS, "os^", ("black", "C2", "C1"), strict=True):
        found = [(speedup(known, p)["value"], r) for p, r in zip(data[L2C], against(data, rival), strict=True) if r]
        if found:
            errorbars(right, *zip(*found, strict=True), fmt=mark, color=colour, label=f"over {rival}")
    right.axhline(1.0, color="black", linestyle="--", linewidth=0.8)
    logarithmic(left.xaxis, left.yaxis)
    left.set(ylabel="error to the exact solution")
    right.set(ylabel="L2C's error / the other's, equal latency")
    for axes in (left, right):
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
        axes.set_xlabel("measured speed-up")
        axes.grid(alpha=0.3)
    return figure
