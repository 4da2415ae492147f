"""The path between the fast and the exact model, and whether a learned mask is better than a random one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.statistics.interval import Interval
from bench.statistics.ratio_of_means import TAIL, picks, ratio_of_means
from bench.studies.lab.blend import blended
from bench.studies.lab.judge import Judge
from bench.studies.lab.masks import DDIM_50, FEW, Learned, learned, routed
from bench.studies.lab.plots import errorbars
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial, mean_error, mean_of
from bench.studies.lab.words import interval_text, percent_text
from bench.suite.cells import Part

PATHS = (
    ("blend", "all branches blended, β", "o-"),
    ("learned", "learned order", "s-"),
    ("random", "random order", "^--"),
)
NAME = "interpolation"
QUESTION = "Is the path from the cached to the exact model smooth, and is a learned mask better than a random one?"
HOW = (
    "The blend puts out β of what a branch computes and 1 − β of what was kept, as routers are trained. The learned "
    "order is that of the router whose mask removes nearest to half; random masks compute as many attention and as "
    "many MLP branches as the mask beside them, and several are drawn for each. Falls are of the same seeds."
)


@dataclass(frozen=True)
class Settings:
    """`points` divide each path; `draws` random masks stand against a router's; `images` give the FD at `fd_at`.

    Of the `samplers` it is the first that routers are shipped for.
    """

    samplers: tuple[Part, ...]
    seeds: int
    points: int
    draws: int
    images: int
    routers: int = 100  # at most
    fd_at: tuple[float, ...] = (0.0, 0.5, 1.0)
    coarse: int = 1


FULL = Settings((DDIM_50,), seeds=24, points=6, draws=8, images=160)
QUICK = Settings(FEW, seeds=4, points=2, draws=1, images=32, routers=1, fd_at=(0.5,), coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    sampler = routed(subject, settings.samplers)
    trial = Trial(subject, sampler, settings.seeds, settings.coarse)
    routers = learned(subject, sampler.method)
    routers.sort(key=lambda router: abs(trial.cacheable.removed(router.mask) - 0.5))
    middle, chosen = routers[0], sorted(routers[: settings.routers], key=lambda router: router.l1)
    places = np.linspace(0, 1, settings.points).tolist()
    return {
        "resolution": step("resolution", lambda: trial.solution.resolution),
        "blend": step("blend", lambda: [blend_at(trial, beta) for beta in places]),
        "router": middle.l1,
        "learned": step("learned", lambda: [along(trial, middle.importance(), share) for share in places]),
        "random": step("random", lambda: [randomly(trial, share, settings.draws) for share in places]),
        "masks": step("masks", lambda: [against_random(trial, router, settings.draws) for router in chosen]),
        "fd": step("fd", lambda: distances(trial, settings)),
    }


def blend_at(trial: Trial, beta: float) -> dict[str, Any]:
    return {"at": beta, "errors": trial.errors(blended(trial.cacheable, beta))}


def along(trial: Trial, importance: Any, share: float) -> dict[str, Any]:
    """Errors where that share of the cacheable branches, the most important ones, is computed."""
    return {"at": share, "errors": trial.errors(trial.cacheable.without(importance, 1 - share))}


def randomly(trial: Trial, share: float, draws: int) -> dict[str, Any]:
    """The same where it is drawn which ones: errors [draws][seeds]."""
    importances = [trial.cacheable.random(seed) for seed in range(draws)]
    return {"at": share, "errors": [trial.errors(trial.cacheable.without(one, 1 - share)) for one in importances]}


def against_random(trial: Trial, router: Learned, draws: int) -> dict[str, Any]:
    """A router's own mask, and random ones that compute as many attention and as many MLP branches."""
    own = trial.errors(router.mask)
    drawn = [trial.errors(trial.cacheable.shuffled(router.mask, seed)) for seed in range(draws)]
    return {
        "l1": router.l1,
        "removed": trial.cacheable.removed(router.mask),
        "errors": own,
        "random": drawn,
        "ratio": asdict(ratio_of_means(np.array(drawn), np.array([own]))),
    }


def distances(trial: Trial, settings: Settings) -> list[dict[str, float]]:
    """FD without its bias along the blend."""
    judge = Judge(trial.subject, range(settings.images))
    points = []
    for beta in settings.fd_at:
        judged = judge(trial.latents(blended(trial.cacheable, beta), settings.images))
        ends = {end: judged[f"fd_corrected_{end}"] for end in ("low", "high")}
        points.append({"at": beta, "value": judged["fd_corrected"], **ends})
    return points


def answer(data: dict[str, Any]) -> str:
    """One sentence: the blend's shape, and how the learned masks stand against random ones."""
    steps, largest = falls(data["blend"])
    sure = sum(step["low"] > 0 for step in steps)
    ratios = [mask["ratio"] for mask in data["masks"]]
    better, worse = sum(r["low"] > 1 for r in ratios), sum(r["high"] < 1 for r in ratios)
    most = max(ratios, key=lambda ratio: ratio["value"])
    return (
        f"From cached to computed the error surely falls at {sure} of {len(steps)} steps, the largest making "
        f"{percent_text(largest)} of the difference; learned masks surely beat random ones of equal cost in {better} "
        f"of {len(ratios)} cases (surely lose in {worse}), the random ones' error being up to {interval_text(most)} "
        f"times theirs."
    )


def falls(blend: list[dict[str, Any]]) -> tuple[list[dict[str, float]], dict[str, float]]:
    """By how much the error falls at every step, of paired seeds, and which part of it all the largest step makes."""
    errors = np.array([point["errors"] for point in blend])  # [points, seeds]
    steps, whole = errors[:-1] - errors[1:], errors[0] - errors[-1]
    largest = steps[np.abs(steps.mean(axis=1)).argmax()]
    (drawn,) = picks((len(whole),), 0)
    low, high = np.quantile(largest[drawn].mean(axis=1) / whole[drawn].mean(axis=1), [TAIL, 1 - TAIL])
    share = Interval(float(largest.mean() / whole.mean()), float(low), float(high))
    return [mean_of(step) for step in steps], asdict(share)


def tables(data: dict[str, Any]) -> list[Table]:
    known = data["resolution"]
    paths = tuple(
        (
            f"{blend['at']:.3g}",
            interval_text(mean_error(blend["errors"], known), 4),
            interval_text(mean_error(router["errors"], known), 4),
            interval_text(mean_error(np.mean(drawn["errors"], axis=0).tolist(), known), 4),
        )
        for blend, router, drawn in zip(data["blend"], data["learned"], data["random"], strict=True)
    )
    masks = tuple(
        (f"{mask['l1']:g}", f"{100 * mask['removed']:.0f} %", f"{np.mean(mask['errors']):.4f}",
         f"{np.mean(mask['random']):.4f}", interval_text(mask["ratio"]))
        for mask in data["masks"]
    )  # fmt: skip
    fd = tuple((f"{one['at']:g}", interval_text(one)) for one in data["fd"])
    return [
        Table("Error to the exact solution", ("β, or share computed", "blend", "learned order", "random order"), paths),
        Table("Routers' masks", ("λ", "removed", "error", "random, equal cost", "random / learned"), masks),
        Table("FD of the blend, without bias", ("β", "FD"), fd),
    ]


def plot(data: dict[str, Any]) -> Any:
    """Left the three paths, right what routers' masks win over random ones of equal cost; all paired by seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.9, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for key, name, mark in PATHS:
        points = [over_uncached(data, np.atleast_2d(point["errors"])) for point in data[key]]
        errorbars(left, [point["at"] for point in data[key]], points, fmt=mark, label=name)
    left.set(xlabel="β, or share of cacheable branches computed", ylabel="error / error of the uncached sampler")
    left.legend(frameon=False)
    removed, ratios = [100 * mask["removed"] for mask in data["masks"]], [mask["ratio"] for mask in data["masks"]]
    errorbars(right, removed, ratios, fmt="s-")
    right.set(xlabel="cacheable branches removed by the router, %", ylabel="error of random masks / router's error")
    for axes in (left, right):
        axes.axhline(1.0, color="black", linestyle="--", linewidth=0.8)
        axes.grid(alpha=0.3)
    return figure


def over_uncached(data: dict[str, Any], errors: np.ndarray) -> dict[str, float]:
    """Errors [draws, seeds] over those of the same seeds where all is computed, the end of every path."""
    return asdict(ratio_of_means(errors, np.array([data["blend"][-1]["errors"]])))
