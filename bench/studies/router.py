"""What a router's training does: how fast, from how many images, whether twice the same, and λ beside the threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import rankdata

from bench.statistics.ratio_of_means import ratio_of_means
from bench.studies.lab.learning import THRESHOLD, Watched, train
from bench.studies.lab.masks import FEW, learned, routed
from bench.studies.lab.plots import errorbars, logarithmic
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial
from bench.studies.lab.words import interval_text, rounded
from bench.suite.cells import Part
from bench.train.router.objective import RouterRecipe

NAME = "router"
QUESTION = (
    "How many images does a router need, do two trainings find the same one, and does λ do more than a threshold?"
)
HOW = (
    "Routers are trained with the λ of the middle shipped one on few to many images, and once more with another seed; "
    "each training is one, so that is all that is known of it. Errors are those with the half of the cacheable "
    "branches removed that scores least, so all cost the same. λ against threshold: the middle shipped router, its "
    "threshold moved until it removes as much as another shipped one."
)


@dataclass(frozen=True)
class Settings:
    """Trainings of `iterations`: on each number of `images`, ascending, and once more, with seed 1.

    Of the `samplers` it is the first that routers are shipped for; λ is that of the middle one of those.
    """

    samplers: tuple[Part, ...]
    iterations: int
    images: tuple[int, ...]
    seeds: int
    looks: int
    coarse: int = 1


FULL = Settings(FEW, 400, (10, 100, 1000, 5000), seeds=48, looks=20)
QUICK = Settings(FEW, 8, (10, 20), seeds=4, looks=2, coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a training. Raises Unanswerable for a model without digits or without shipped routers to compare."""
    trial = Trial(subject, routed(subject, settings.samplers), settings.seeds, settings.coarse)
    thresholds = step("thresholds", partial(by_threshold, trial))
    most = settings.images[-1]
    trainings = [
        step(f"images-{images}-seed-{seed}", partial(training, trial, settings, thresholds["middle"], images, seed))
        for images, seed in [*((images, 0) for images in settings.images), (most, 1)]
    ]
    return {"threshold": THRESHOLD, "thresholds": thresholds, "trainings": trainings}


def by_threshold(trial: Trial) -> dict[str, Any]:
    """Each shipped router's mask, and the middle router's with the threshold moved so that it removes as much."""
    routers = learned(trial.subject, trial.part.method)
    middle = min(routers, key=lambda router: abs(trial.cacheable.removed(router.mask) - 0.5))
    points = []
    for router in routers:
        removed = trial.cacheable.removed(router.mask)
        moved = trial.cacheable.without(middle.importance(), removed)
        points.append({"l1": router.l1, "removed": removed, "errors": trial.errors(router.mask),
                       "moved": trial.errors(moved)})  # fmt: skip
    return {"middle": middle.l1, "points": points}


def training(trial: Trial, settings: Settings, l1: float, images: int, seed: int) -> dict[str, Any]:
    """A router's way and its end: errors of the half that scores most, so that all trainings cost the same."""
    recipe = RouterRecipe(steps=settings.iterations, l1=l1, seed=seed, data=f"{images} digits")
    watched = train(trial.subject, trial.part.method, images, recipe, settings.looks)
    half = trial.cacheable.without(watched.learned.importance(), 0.5)
    return {
        "images": images,
        "seed": seed,
        "looks": [look(watched, i) for i in range(len(watched.looks))],
        "scores": rounded(watched.looks[-1]),  # [decided][branch]
        "errors": trial.errors(half),
    }


def look(watched: Watched, i: int) -> dict[str, float]:
    """Both terms, their means over the iterations behind a look, and how decided the scores are by then."""
    start, scores = i * watched.every, watched.looks[i]
    behind = slice(max(0, start - watched.every), max(start, 1))
    return {
        "iteration": min(start, len(watched.errors)),
        "error": rounded(np.mean(watched.errors[behind])),
        "cost": rounded(np.mean(watched.costs[behind])),
        "removed": float((scores <= THRESHOLD).mean()),
        "decided": float(((scores <= THRESHOLD) | (scores >= 1 - THRESHOLD)).mean()),
    }


def agreement(first: Sequence[Any], second: Sequence[Any]) -> dict[str, float]:
    """Share of branches that two routers decide alike, what it would be by chance, and their rank correlation."""
    scores = [np.ravel(one) for one in (first, second)]
    kept = [one > THRESHOLD for one in scores]
    shares = [float(one.mean()) for one in kept]
    rho = float(np.corrcoef(*(rankdata(one) for one in scores))[0, 1])
    return {
        "alike": float((kept[0] == kept[1]).mean()),
        "chance": shares[0] * shares[1] + (1 - shares[0]) * (1 - shares[1]),
        "rho": rho,
    }


def over(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    return asdict(ratio_of_means(np.array([above]), np.array([below])))


def few_and_many(data: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Trainings on fewer images than the most, the one on most, and its like with another seed."""
    *few, most, again = data["trainings"]
    return few, most, again


def answer(data: dict[str, Any]) -> str:
    """One sentence: images, seeds, λ."""
    few, most, again = few_and_many(data)
    twice = agreement(most["scores"], again["scores"])
    least, other = (interval_text(over(one["errors"], most["errors"]), 3) for one in (few[0], again))
    points = [p for p in data["thresholds"]["points"] if p["l1"] != data["thresholds"]["middle"]]
    ratios = [over(p["moved"], p["errors"]) for p in points]
    worse, better = sum(r["low"] > 1 for r in ratios), sum(r["high"] < 1 for r in ratios)
    alike, chance = (f"{100 * twice[key]:.0f} %" for key in ("alike", "chance"))
    return (
        f"{few[0]['images']} images give a router {least} times the error that {most['images']} give; two seeds decide "
        f"{alike} of the branches alike (chance: {chance}), with {other} times the error; moving the threshold instead "
        f"of λ is surely worse in {worse} of {len(points)} cases (surely better in {better})."
    )


def tables(data: dict[str, Any]) -> list[Table]:
    _, most, _ = few_and_many(data)
    rows = []
    for one in data["trainings"]:
        alike = agreement(one["scores"], most["scores"])
        rows.append((f"{one['images']}", f"{one['seed']}", f"{100 * one['looks'][-1]['removed']:.0f} %",
                     f"{100 * alike['alike']:.0f} %", f"{alike['rho']:.2f}",
                     interval_text(over(one["errors"], most["errors"]), 3)))  # fmt: skip
    points = tuple(
        (f"{p['l1']:g}", f"{100 * p['removed']:.0f} %", f"{np.mean(p['errors']):.4f}", f"{np.mean(p['moved']):.4f}",
         interval_text(over(p["moved"], p["errors"])))
        for p in data["thresholds"]["points"]
    )  # fmt: skip
    way = tuple(
        (f"{p['iteration']}", f"{p['error']:.4g}", f"{p['cost']:.4g}", f"{100 * p['removed']:.0f} %",
         f"{100 * p['decided']:.0f} %")
        for p in most["looks"][1:]
    )  # fmt: skip
    middle = f"λ = {data['thresholds']['middle']:g}, threshold moved"
    head = (
        "images",
        "seed",
        "removed",
        "decided alike",
        "ρ of scores",
        "error, half removed / most images, seed 0",
    )
    return [
        Table("Trainings beside the one on most images", head, tuple(rows)),
        Table("λ, or the threshold", ("λ", "removed", "error", middle, "threshold / λ"), points),
        Table("While it learns", ("iteration", "error", "λ Σ scores", "removed", "decided"), way),
    ]


def plot(data: dict[str, Any]) -> Any:
    """Both terms and the sparsity while it learns, error by images, and the threshold beside λ."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.9, 5.4), layout="constrained")
    (terms, shares), (by_images, by_l1) = figure.subplots(2, 2)
    few, most, again = few_and_many(data)
    iterations = [p["iteration"] for p in most["looks"]]
    for key, name in (("error", "error to the full evaluation"), ("cost", "λ Σ scores")):
        terms.plot(iterations[1:], [p[key] for p in most["looks"][1:]], "o-", markersize=3, linewidth=1, label=name)
    for key, name in (("removed", "removed"), ("decided", "within 0.1 of 0 or 1")):
        shares.plot(iterations, [100 * p[key] for p in most["looks"]], "o-", markersize=3, linewidth=1, label=name)
    ratios = [over(one["errors"], most["errors"]) for one in few]
    errorbars(by_images, [one["images"] for one in few], ratios, fmt="o-", label="fewer images")
    errorbars(by_images, [again["images"]], [over(again["errors"], most["errors"])], fmt="s", label="another seed")
    points = data["thresholds"]["points"]
    moved = [over(p["moved"], p["errors"]) for p in points]
    errorbars(by_l1, [100 * p["removed"] for p in points], moved, fmt="o-")
    terms.set(xlabel="iteration", ylabel="loss")
    shares.set(xlabel="iteration", ylabel="branches, %")
    by_images.set(xlabel="training images", ylabel=f"error / error by {most['images']} images")
    by_l1.set(xlabel="branches removed, %", ylabel="threshold moved / trained with that λ, error")
    logarithmic(terms.yaxis, by_images.xaxis)
    for axes in (terms, shares, by_images):
        axes.legend(frameon=False)
    for axes in (by_images, by_l1):
        axes.axhline(1.0, color="black", linestyle="--", linewidth=0.8)
    for axes in (terms, shares, by_images, by_l1):
        axes.grid(alpha=0.3)
    return figure
