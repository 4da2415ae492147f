"""Small denoisers that differ in one thing each: how far their branches change, and what L2C wins on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.cost.plan_cost import plan_macs
from bench.statistics.interval import Interval
from bench.statistics.simultaneous import from_repetitions
from bench.studies import Unanswerable
from bench.studies.beyond_two_steps import with_steps
from bench.studies.lab.learning import train
from bench.studies.lab.masks import Array, Learned, Mask
from bench.studies.lab.plots import errorbars, logarithmic
from bench.studies.lab.recorder import redundancy
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial, mean_error, mean_of
from bench.studies.lab.ways import interpolated
from bench.studies.lab.words import interval_text, percent_text, rounded
from bench.studies.redundancy import SMALL, shares
from bench.suite.cells import Part
from bench.train.router.objective import RouterRecipe
from methods.plan import from_mask, uncached

NAME = "objectives"
QUESTION = "Do redundancy and L2C's gain depend on what a denoiser predicts, its noise schedule or its attention?"
HOW = (
    "DiTs of one size and recipe: one predicts noise, the others differ from it by flow matching (velocity on "
    "straight lines, so the schedule differs too), by predicting clean latents, by the cosine or the sqrt-linear "
    "schedule, and by linear attention. For L2C's gain routers are trained for each model, on errors of the noise "
    "whatever the network predicts; the one whose own mask removes nearest to half orders the branches, and as many "
    "are left out as make up the MACs that FORA saves by reusing every other cacheable evaluation. Errors of fewer "
    "steps are taken at the same MACs, on straight lines of both logarithms. Ratios are geometric means over seeds, "
    "and what is called different holds for all pairs of models at once."
)
MODELS = ("dit-mnist-noise",)  # with which the variants are compared

L2C, FORA, FEWER, RANDOM, UNCACHED = "L2C", "FORA", "fewer steps", "random", "uncached"
REDUNDANT = "redundant"
RECORDED, DRAWS, LEVEL = 8, 4, 0.95  # images at once, random masks, simultaneous level


@dataclass(frozen=True)
class Settings:
    """Models that differ from the study's in one thing each, and routers of λ `l1` trained on `images` for each.

    As much is saved as FORA saves by reusing a share `removed` of the evaluations that may be reused.
    """

    sampler: Part
    variants: tuple[str, ...]
    seeds: int
    removed: float
    l1: tuple[float, ...]
    images: int
    iterations: int
    fewer: tuple[int, ...]
    coarse: int = 1


DDIM_20 = Part("ddim", {"steps": 20})
VARIANTS = tuple(f"dit-mnist-{name}" for name in ("velocity", "data", "linear-attention", "cosine", "sqrt-linear"))
FULL = Settings(DDIM_20, VARIANTS, 48, 0.5, (1e-5, 1e-4, 1e-3), 5000, 400, (20, 18, 16, 15, 14, 12, 10))
QUICK = Settings(DDIM_20, VARIANTS[:1], 4, 0.5, (1e-4,), 10, 4, (20, 15, 10), coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a model. Raises Unanswerable for a model without variants, and where the digits are not installed."""
    if subject.spec.name not in MODELS:
        raise Unanswerable(f"{subject.spec.name}: no variants of it are known, this study is of {MODELS[0]}")
    names = (subject.spec.name, *settings.variants)
    return {"models": [step(name, partial(of_named, name, subject, settings)) for name in names]}


def of_named(name: str, base: Subject, settings: Settings) -> dict[str, Any]:
    return of_model(base if name == base.spec.name else Subject.named(name), settings)


def of_model(subject: Subject, settings: Settings) -> dict[str, Any]:
    """How far outputs change from one evaluation to the next, and errors of ways to the same cost."""
    relative = redundancy(subject, settings.sampler.method, range(settings.seeds), RECORDED).relative
    return {
        "model": subject.spec.name,
        "shares": shares(relative),
        "small": rounded((relative <= SMALL).mean(axis=(1, 2))),  # [seeds]
        "changes": rounded(np.median(relative.mean(axis=0), axis=0)),  # [m - 1]
        **errors(Trial(subject, settings.sampler, settings.seeds, settings.coarse), settings),
    }


def errors(trial: Trial, settings: Settings) -> dict[str, Any]:
    """To the exact solution, of every seed: at FORA's MACs by L2C, at random and by fewer steps; and uncached."""
    cacheable, model = trial.cacheable, trial.subject.model
    fora = cacheable.without(cacheable.uniform(), settings.removed)
    whole = plan_macs(model, uncached(cacheable.evaluations, cacheable.branches))
    cost = plan_macs(model, from_mask(fora))
    router = nearest(trial, settings)
    mask = within(trial, router.importance(), whole - cost)
    gaps = np.log(np.array(settings.fewer) / cacheable.evaluations * whole / cost)  # of MACs, to those allowed
    fewer = interpolated(np.array([with_steps(trial, steps).errors() for steps in settings.fewer]), gaps)
    drawn = [trial.errors(cacheable.shuffled(mask, seed)) for seed in range(DRAWS)]
    return {
        "l1": router.l1,
        "own": 1 - float(router.mask.mean()),
        "removed": cacheable.removed(mask),
        "macs": cost / whole,
        "resolution": trial.solution.resolution,
        "errors": {
            UNCACHED: trial.errors(None),
            L2C: trial.errors(mask),
            FORA: trial.errors(fora),
            RANDOM: np.mean(drawn, axis=0).tolist(),
            FEWER: fewer.tolist(),
        },
    }


def nearest(trial: Trial, settings: Settings) -> Learned:
    """Of routers trained with every λ the one whose own mask removes the most similar share."""
    data = f"{settings.images} digits"
    recipes = [RouterRecipe(steps=settings.iterations, l1=l1, data=data) for l1 in settings.l1]
    routers = [train(trial.subject, trial.part.method, settings.images, recipe, 1).learned for recipe in recipes]
    return min(routers, key=lambda router: abs(1 - float(router.mask.mean()) - settings.removed))


def within(trial: Trial, importance: Array, saved: int) -> Mask:
    """The mask without the branches of least importance, so many that they make up `saved` MACs."""
    cacheable = trial.cacheable
    order = np.argsort(importance, axis=None, kind="stable") % cacheable.branches
    total = np.cumsum([trial.subject.model.branch_macs(int(index)) for index in order])
    return cacheable.without(importance, (int(np.searchsorted(total, saved)) + 1) / cacheable.size)


def title(model: dict[str, Any]) -> str:
    return str(model["model"]).removeprefix("dit-mnist-")


def of_seeds(model: dict[str, Any], measure: str) -> Array:
    """A measure of every seed: the share of redundant outputs, or the log of L2C's error over a rival's."""
    if measure == REDUNDANT:
        return np.array(model["small"])
    return np.log(np.divide(model["errors"][L2C], model["errors"][measure]))


def ratio(model: dict[str, Any], rival: str) -> dict[str, float]:
    """L2C's error over a rival's, the geometric mean over seeds; the interval holds the solution's resolution, too."""
    logs, wide = mean_of(of_seeds(model, rival)), known(model, rival)
    ends = {"value": logs["value"], "low": logs["low"] - wide, "high": logs["high"] + wide}
    return {key: float(np.exp(value)) for key, value in ends.items()}


def known(model: dict[str, Any], measure: str) -> float:
    """How far a measure may be off because the exact solution is known to its resolution only: of a log ratio."""
    if measure == REDUNDANT:
        return 0.0
    parts = [model["resolution"] / float(np.mean(model["errors"][kind])) for kind in (L2C, measure)]
    return float(-np.log1p(-np.minimum(parts, LEVEL)).sum())


def differences(data: dict[str, Any], measure: str) -> list[Interval]:
    """Every variant's measure less the first model's; the intervals of all pairs of models hold at once.

    They hold the resolutions of both models' exact solutions, too.
    """
    first, *others = data["models"]
    axis = from_repetitions(np.stack([of_seeds(model, measure) for model in data["models"]], axis=1))
    low, high = axis.ends(axis.critical(LEVEL))
    slack = [known(first, measure) + known(model, measure) for model in others]
    return [
        Interval(float(axis.gaps[i, 0]), float(low[i, 0]) - wide, float(high[i, 0]) + wide)
        for i, wide in enumerate(slack, start=1)
    ]


def answer(data: dict[str, Any]) -> str:
    """One sentence: redundancy and gain over fewer steps, of the models where they are least and most."""
    first = title(data["models"][0])
    return (
        f"{span(data, shares_of, percent_text)} of the branch outputs change by at most {100 * SMALL:g} % from one "
        f"evaluation to the next, surely unlike {first}'s in {unlike(data, REDUNDANT)}; at equal MACs L2C's error is "
        f"{span(data, partial(ratio, rival=FEWER), interval_text)} times that of fewer steps, surely unlike {first}'s "
        f"in {unlike(data, FEWER)}."
    )


def unlike(data: dict[str, Any], measure: str) -> str:
    """How many variants surely differ from the first model, and which."""
    others = data["models"][1:]
    found = [title(model) for model, gap in zip(others, differences(data, measure), strict=True) if gap.sign]
    named = f" ({', '.join(found)})" if 0 < len(found) < len(others) else ""
    return f"{len(found)} of {len(others)} variants{named}"


def shares_of(model: dict[str, Any]) -> dict[str, float]:
    return dict(model["shares"]["all"])


def span(
    data: dict[str, Any], value: Callable[[dict[str, Any]], dict[str, float]], text: Callable[[dict[str, float]], str]
) -> str:
    """The least and the largest value of all models, and whose they are."""
    least, most = (chosen(data["models"], key=lambda model: value(model)["value"]) for chosen in (min, max))
    return f"{text(value(least))} ({title(least)}) to {text(value(most))} ({title(most)})"


def tables(data: dict[str, Any]) -> list[Table]:
    models = data["models"]
    groups = list(models[0]["shares"])
    outputs = [(title(m), *(percent_text(m["shares"][g]) if g in m["shares"] else "–" for g in groups)) for m in models]
    kinds = (UNCACHED, L2C, FORA, RANDOM, FEWER)
    found = [
        (title(m), *(interval_text(mean_error(m["errors"][k], m["resolution"]), 4) for k in kinds)) for m in models
    ]
    wins = [
        (title(m), f"{m['l1']:g}", f"{100 * m['own']:.0f} %", f"{100 * m['removed']:.0f} %",
         *(interval_text(ratio(m, rival)) for rival in (FORA, FEWER, RANDOM)))
        for m in models
    ]  # fmt: skip
    caption = f"Outputs that change by at most {100 * SMALL:g} % from one evaluation to the next"
    cost = f"Errors to the exact solution at {100 * models[0]['macs']:.0f} % of the MACs"
    head = (
        "model",
        "λ",
        "router's own removed",
        "removed here",
        *(f"L2C / {rival}" for rival in (FORA, FEWER, RANDOM)),
    )
    return [
        Table(caption, ("model", *groups), tuple(outputs)),
        Table(cost, ("model", *kinds), tuple(found)),
        Table("L2C's error over that of others, geometric mean over seeds", head, tuple(wins)),
        Table("Less the first model's, all intervals at once", ("model", *CHANGES), tuple(changed(data))),
    ]


CHANGES = ("redundant outputs", f"ratio to {FORA}, times", f"ratio to {FEWER}, times")


def changed(data: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows of every variant: differences of shares, and factors between ratios."""
    columns = [[percent_text(asdict(one)) for one in differences(data, REDUNDANT)]]
    for rival in (FORA, FEWER):
        factors = [{key: float(np.exp(x)) for key, x in asdict(one).items()} for one in differences(data, rival)]
        columns.append([interval_text(one) for one in factors])
    return [(title(model), *row) for model, *row in zip(data["models"][1:], *columns, strict=True)]


def plot(data: dict[str, Any]) -> Any:
    """Left how far outputs change along the trajectory, right what L2C's error is of FORA's and of fewer steps'."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    models = data["models"]
    for model, mark in zip(models, "osD^vx*+", strict=False):
        left.plot(range(1, len(model["changes"]) + 1), model["changes"], f"{mark}-", markersize=3, linewidth=1,
                  label=title(model))  # fmt: skip
    places = np.arange(len(models))
    for rival, shift, mark in ((FORA, -0.1, "o"), (FEWER, 0.1, "s")):
        errorbars(
            right, (places + shift).tolist(), [ratio(model, rival) for model in models], fmt=mark, label=f"over {rival}"
        )
    left.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    left.set(xlabel="evaluation m", ylabel="‖f(hₘ) − f(hₘ₋₁)‖² / ‖f(hₘ)‖², median branch")
    right.set(ylabel="L2C's error / theirs, at equal MACs")
    right.set_xticks(places, [title(model) for model in models], rotation=30, ha="right")
    right.axhline(1.0, color="black", linestyle="--", linewidth=0.8)
    logarithmic(left.yaxis, right.yaxis)
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    return figure
