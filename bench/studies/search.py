"""Our own search for plans against L2C, SmoothCache and FORA at equal measured latency, on seeds of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.studies.lab.latency import UNCACHED, Times
from bench.studies.lab.plots import logarithmic
from bench.studies.lab.result import Table
from bench.studies.lab.searched import FINER, SAME, Contest
from bench.studies.lab.subject import Subject, title
from bench.studies.lab.trial import Trial, mean_error
from bench.studies.lab.ways import error_ratio, no_slower, points, times
from bench.studies.lab.words import interval_text
from bench.suite.cells import Part
from bench.suite.protocol import Timing
from methods.searching.forecast import DYNAMIC, GREEDY

NAME = "search"
QUESTION = "Do plans found from measured sensitivities beat L2C, SmoothCache and FORA at equal latency, and how soon?"
HOW = (
    "Whole outputs are forecast, not single branches: the calibration looks at ten uncached trajectories, weighs what "
    "each forecast would do by the sampler's own weights, and chooses the computed evaluations greedily (by dynamic "
    "programming in the second and third table). Against each rival stands the plan of least expected error among "
    "those whose measured latency is surely no more than the rival's. The method was tuned on seeds 0 to 23 and "
    "calibrated on 1,000,000 to 1,000,009; errors are of others, from 2,000,000 on. Seconds of calibrations and of "
    "routers' trainings are those that were taken when the shipped ones were made."
)

TARGET = 0.7  # of L2C's error
METHODS = ("L2C", "SmoothCache", "FORA")


@dataclass(frozen=True)
class Settings:
    """Rivals are of `sampler`, plans of it and of `finer`, each computing at least `apart` evaluations more than the
    one before; `solver`: steps of DPM-Solver++. Of each rival at most so many `settings` are taken. The plans were
    tuned on seeds 0 to 23 and calibrated on 1,000,000 to 1,000,009: `first` begins others.
    """

    sampler: Part
    finer: Part
    seeds: int
    solver: tuple[int, ...]
    apart: int
    settings: int = 100
    coarse: int = 1
    first: int = 2_000_000
    timing: Timing = field(default_factory=Timing)


DDIM_50, DDIM_100 = Part("ddim", {"steps": 50}), Part("ddim", {"steps": 100})
FULL = Settings(DDIM_50, DDIM_100, seeds=120, solver=tuple(range(10, 51, 4)), apart=2)
QUICK = Settings(
    DDIM_50, DDIM_100, seeds=2, solver=(10,), apart=25, settings=1, coarse=10,
    timing=Timing(batch=1, rounds=2, seconds=0.0),
)  # fmt: skip


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step for the latencies of all, the first, and one a plan. Raises Unanswerable where no router is shipped."""
    same, finer = (
        Trial(subject, part, settings.seeds, settings.coarse, settings.first)
        for part in (settings.sampler, settings.finer)
    )
    contest = Contest(same, finer)
    rivals, plans = contest.rivals(settings.settings), contest.plans(settings.apart)
    solver = [contest.solver(steps) for steps in settings.solver]
    greedy = [way for way in plans if way.said["by"] == GREEDY]
    timed = times(same, [*rivals, *greedy, *solver], settings.timing, step)
    return {
        "samplers": {SAME: title(same.part), FINER: title(finer.part)},
        "resolution": step("resolution", lambda: same.solution.resolution),
        "uncached": {
            SAME: step("uncached", lambda: same.errors(None)),
            FINER: step("finer", lambda: finer.errors(None)),
        },
        "seconds": contest.seconds(),
        "rivals": points(rivals, step),
        "plans": points(plans, step),
        "solver": points(solver, step),
        "times": timed,
    }


def judged(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Of every rival what stands against it in surely no more time: ours of least expected error, the solver's finest.

    Each with its `ratio` of errors; None where nothing is as fast.
    """
    known = Times(data["times"])
    ours = {key: [p for p in data["plans"] if p["sampler"] == key and p["by"] == GREEDY] for key in (SAME, FINER)}
    found = []
    for rival in data["rivals"]:
        best = {
            key: min(no_slower(plans, rival, known), key=lambda p: p["expected"], default=None)
            for key, plans in ours.items()
        }
        best["solver"] = max(no_slower(data["solver"], rival, known), key=lambda p: p["steps"], default=None)
        against = {
            key: one and {**one, "ratio": error_ratio(one["errors"], rival["errors"])} for key, one in best.items()
        }
        found.append({"rival": rival, "time": known.ratio(rival["name"], UNCACHED), **against})
    return found


def ratios(found: list[dict[str, Any]], method: str, key: str) -> list[dict[str, float]]:
    """Of a method's settings that ours is as fast as."""
    return [one[key]["ratio"] for one in found if one["rival"]["method"] == method and one[key]]


def calibration_share(data: dict[str, Any], key: str) -> float:
    """Of the mean training time of a router; both as they were measured when they were made."""
    return data["seconds"][key] / float(np.mean(data["seconds"]["routers"]))


def answer(data: dict[str, Any]) -> str:
    """One sentence: which are beaten, the target, and the seconds."""
    found, finer = judged(data), data["samplers"][FINER]
    won = [(method, ratios(found, method, FINER)) for method in METHODS]
    beaten = ", ".join(f"{method} in {sum(r['high'] < 1 for r in known)} of {len(known)}" for method, known in won)
    return (
        f"On {len(data['rivals'][0]['errors'])} fresh seeds and in no more measured time, plans of {finer} surely beat "
        f"{beaten} settings, with {about_target(data, found, FINER)}; plans of {data['samplers'][SAME]} have "
        f"{about_target(data, found, SAME)}."
    )


def about_target(data: dict[str, Any], found: list[dict[str, Any]], key: str) -> str:
    """How much of L2C's error, how often surely no more than the target, and after which share of a router's time."""
    known, share = ratios(found, METHODS[0], key), f"{100 * calibration_share(data, key):.0f} %"
    if not known:
        return f"no plan as fast as L2C, after {share} of a router's training time"
    least, most = (interval_text(end(known, key=lambda r: r["value"])) for end in (min, max))
    sure = sum(r["high"] <= TARGET for r in known)
    return (
        f"{least} to {most} of L2C's error (surely at most {TARGET} in {sure} of {len(known)}) after {share} of a "
        f"router's training time"
    )


def tables(data: dict[str, Any]) -> list[Table]:
    known, samplers, limit = Times(data["times"]), data["samplers"], data["resolution"]
    keys = (SAME, FINER, "solver")
    rows = tuple(
        (f"{one['rival']['method']}, {one['rival']['setting']}", percent(one["time"]),
         interval_text(mean_error(one["rival"]["errors"], limit), 4),
         *(interval_text(one[key]["ratio"]) if one[key] else "–" for key in keys))
        for one in judged(data)
    )  # fmt: skip
    spent = data["seconds"]
    cost = (
        *((f"search, {samplers[key]}", f"{spent[key]:.1f} s", f"{100 * calibration_share(data, key):.0f} %")
          for key in (SAME, FINER)),
        ("L2C, a router", f"{min(spent['routers']):.1f} to {max(spent['routers']):.1f} s", "100 %"),
    )  # fmt: skip
    bounds = tuple(
        (f"{samplers[key]} uncached", interval_text(mean_error(data["uncached"][key], limit), 4))
        for key in (SAME, FINER)
    )
    return [
        Table(
            "Error to the exact solution, and ours over it in surely no more time",
            ("rival", "latency / uncached", "error", *(f"search, {samplers[key]}" for key in keys[:2]), "DPM-Solver++"),
            rows,
        ),
        *(by_choice(data, key) for key in (SAME, FINER)),
        Table("Seconds before sampling", ("method", "seconds", "of a router's"), cost),
        Table("What bounds it", ("what", "error"), (*bounds, ("the exact solution, as it is known", f"{limit:.4f}"))),
        Table("Latency", ("what", "measured"), known.facts),
    ]  # fmt: skip


def percent(ratio: dict[str, float]) -> str:
    """`61 % [60, 62]`."""
    return f"{100 * ratio['value']:.0f} % [{100 * ratio['low']:.0f}, {100 * ratio['high']:.0f}]"


def by_choice(data: dict[str, Any], key: str) -> Table:
    """Mean errors by how many evaluations are computed, and by the way in which they were chosen."""
    errors = {(p["computed"], p["by"]): np.mean(p["errors"]) for p in data["plans"] if p["sampler"] == key}
    rows = tuple(
        (f"{count}", *(f"{errors[count, by]:.4f}" if (count, by) in errors else "–" for by in (GREEDY, DYNAMIC)))
        for count in sorted({count for count, _ in errors})
    )
    return Table(
        f"Errors of plans of {data['samplers'][key]} by the way of choosing", ("computed", GREEDY, DYNAMIC), rows
    )


def plot(data: dict[str, Any]) -> Any:
    """Errors over measured latency: the rivals, both kinds of plans and the better sampler."""
    from matplotlib.figure import Figure

    known = Times(data["times"])
    figure = Figure(figsize=(6.9, 3.4), layout="constrained")
    axes = figure.subplots()
    lines = [(method, mark, [r for r in data["rivals"] if r["method"] == method])
             for method, mark in zip(METHODS, ("o-", "s-", "^-"), strict=True)]  # fmt: skip
    for key, colour in ((SAME, "C3"), (FINER, "C4")):
        plans = [p for p in data["plans"] if p["sampler"] == key and p["by"] == GREEDY]
        lines.append((f"search, {data['samplers'][key]}", f"{colour}D--", plans))
    lines.append(("DPM-Solver++", "kx:", data["solver"]))
    for name, mark, found in lines:
        line = sorted((known.ratio(p["name"], UNCACHED)["value"], np.mean(p["errors"])) for p in found)
        if line:
            axes.plot(*zip(*line, strict=True), mark, markersize=4, linewidth=1, label=name)
    whole = float(np.mean(data["uncached"][SAME]))
    axes.axhline(whole, color="grey", linewidth=0.8, label=f"{data['samplers'][SAME]} uncached")
    logarithmic(axes.yaxis)
    axes.set(xlabel="measured latency, over uncached", ylabel="error to the exact solution")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    return figure
