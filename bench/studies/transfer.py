"""Routers used with another sampler, step count, spacing or guidance than they were trained for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.statistics.ratio_of_means import ratio_of_means
from bench.studies.lab.learning import train
from bench.studies.lab.masks import Learned, learned
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject, title
from bench.studies.lab.transfer import Source, sources
from bench.studies.lab.trial import Trial
from bench.studies.lab.words import interval_text
from bench.suite.cells import Part
from bench.train.router.objective import RouterRecipe
from methods.routing.shipped import strengths

NAME = "transfer"
QUESTION = "Is a router of use with another sampler, step count, spacing or guidance than it was trained for?"
HOW = (
    "Each evaluation takes the scores that were trained nearest to its timestep, with the router's own threshold. "
    "Random masks of equal cost stand beside it, and a router of the target's own that removes as much: a shipped "
    "one, else one that is trained there (not for another guidance: routers are trained without)."
)


@dataclass(frozen=True)
class Target:
    """Where routers are moved to; `guidance` None is the model's own."""

    sampler: Part
    guidance: float | None = None

    @property
    def name(self) -> str:
        return title(self.sampler) + ("" if self.guidance is None else f" guidance {self.guidance:g}")


@dataclass(frozen=True)
class Settings:
    """`draws` random masks of equal cost stand against each router's.

    Where no router is shipped for a target's sampler, one is trained: so many `iterations` on so many `images`.
    """

    targets: tuple[Target, ...]
    seeds: int
    draws: int
    images: int
    iterations: int
    coarse: int = 1


DDIM_20, DDIM_50 = Part("ddim", {"steps": 20}), Part("ddim", {"steps": 50})
FULL = Settings(
    (
        Target(DDIM_50),
        Target(DDIM_20),
        Target(Part("ddim", {"steps": 10})),
        Target(Part("ddim", {"steps": 20, "spacing": "trailing"})),
        Target(Part("ddim", {"steps": 20, "spacing": "linspace"})),
        Target(Part("dpm-solver++", {"steps": 20})),
        Target(Part("dpm-solver++", {"steps": 20, "variant": "uvit-singlestep"})),
        Target(Part("unipc", {"steps": 20})),
        Target(Part("heun", {"steps": 10})),
        Target(Part("edm", {"steps": 10})),
        Target(DDIM_20, guidance=1.0),
        Target(DDIM_20, guidance=3.0),
    ),
    seeds=24,
    draws=8,
    images=5000,
    iterations=400,
)
QUICK = Settings(
    (Target(DDIM_20), Target(Part("unipc", {"steps": 10}))), seeds=4, draws=1, images=10, iterations=4, coarse=10
)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a target. Raises Unanswerable for a model without shipped routers, or without digits to train on."""
    moved = sources(subject)
    measured = (
        step(f"target-{i}", partial(at_target, subject, settings, target, moved))
        for i, target in enumerate(settings.targets)
    )
    return {"sources": [{"name": s.name, "l1": s.router.l1} for s in moved], "targets": list(measured)}


def at_target(subject: Subject, settings: Settings, target: Target, moved: list[Source]) -> dict[str, Any]:
    """What each router does there."""
    guided = subject if target.guidance is None else subject.guided(target.guidance)
    trial = Trial(guided, target.sampler, settings.seeds, settings.coarse)
    uncached, own = trial.errors(None), native(trial, settings, moved[0].router.l1)
    return {
        "target": target.name,
        "error": float(np.mean(uncached)),
        "sources": [compared(trial, source, uncached, settings.draws, own) for source in moved],
    }


def compared(trial: Trial, source: Source, uncached: list[float], draws: int, own: list[Learned]) -> dict[str, Any]:
    """A router's mask against the uncached sampler, random masks of equal cost, and a router of the target's own."""
    sampler = trial.part.method
    mask = source.mask(trial.subject, sampler)
    errors = np.array([trial.errors(mask)])
    drawn = np.array([trial.errors(trial.cacheable.shuffled(mask, seed)) for seed in range(draws)])
    removed, home = trial.cacheable.removed(mask), bool(own) and source.made_for(sampler)
    retrained = None if home or not own else np.array([natively(trial, own, removed)])
    return {
        "home": home,
        "removed": removed,
        "lost": asdict(ratio_of_means(errors, np.array([uncached]))),
        "random": asdict(ratio_of_means(drawn, errors)),
        "retrained": None if retrained is None else asdict(ratio_of_means(errors, retrained)),
    }


def native(trial: Trial, settings: Settings, l1: float) -> list[Learned]:
    """Routers of the target's own: those that are shipped, else one that is trained with that λ.

    None at another guidance: routers are trained unguided, so that those of the model's own would be the same.
    """
    subject, sampler = trial.subject, trial.part.method
    if subject.guidance != subject.spec.guidance_scale:
        return []
    if strengths(subject.spec.name, sampler):
        return learned(subject, sampler)
    recipe = RouterRecipe(steps=settings.iterations, l1=l1, data=f"{settings.images} digits")
    return [train(subject, sampler, settings.images, recipe, 1).learned]


def natively(trial: Trial, own: list[Learned], removed: float) -> list[float]:
    """Errors by that router of the target's own which removes the most similar share, as much removed."""
    router = min(own, key=lambda one: abs(trial.cacheable.removed(one.mask) - removed))
    return trial.errors(trial.cacheable.without(router.importance(), removed))


def answer(data: dict[str, Any]) -> str:
    """One sentence: how often the moved routers beat chance, what they lose, and what retraining would win back."""
    every = [one for target in data["targets"] for one in target["sources"]]
    away = [one for one in every if not one["home"]]
    better, worse = sum(o["random"]["low"] > 1 for o in away), sum(o["random"]["high"] < 1 for o in away)
    least, most = (chosen((o["lost"] for o in away), key=lambda r: r["value"]) for chosen in (min, max))
    return (
        f"A router moved to another setting surely beats random masks of equal cost in {better} of {len(away)} cases "
        f"(surely loses in {worse}), at {interval_text(least)} to {interval_text(most)} times the uncached error"
        f"{about_retraining(away)}."
    )


def about_retraining(away: list[dict[str, Any]]) -> str:
    known = [one["retrained"] for one in away if one["retrained"] is not None]
    if not known:
        return ""
    least, most = (chosen(known, key=lambda ratio: ratio["value"]) for chosen in (min, max))
    better, worse = sum(r["low"] > 1 for r in known), sum(r["high"] < 1 for r in known)
    return (
        f"; a router trained there surely errs less in {better} of {len(known)} (surely more in {worse}), the moved "
        f"one's error being {interval_text(least)} to {interval_text(most)} times its"
    )


def tables(data: dict[str, Any]) -> list[Table]:
    rows = tuple(
        (target["target"], source["name"], "its own" if one["home"] else "", f"{100 * one['removed']:.0f} %",
         interval_text(one["lost"]), interval_text(one["random"]),
         interval_text(one["retrained"]) if one["retrained"] else "–")
        for target in data["targets"]
        for source, one in zip(data["sources"], target["sources"], strict=True)
    )  # fmt: skip
    head = ("used with", "trained for", "", "removed", "error / uncached", "random / router", "router / its own")
    uncached = tuple((target["target"], f"{target['error']:.4f}") for target in data["targets"])
    return [
        Table("Ratios of errors to the exact solution", head, rows),
        Table("Uncached", ("used with", "error"), uncached),
    ]


NOTHING = {"value": float("nan")}
PANELS = {
    "lost": ("error /\nuncached error", "PuOr_r"),
    "random": ("error of random masks /\nerror", "PuOr"),
    "retrained": ("error / error of a\nrouter trained there", "PuOr_r"),
}


def plot(data: dict[str, Any]) -> Any:
    """Matrices, routers × targets: what is lost, what is won over random masks, and what retraining would win back."""
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.figure import Figure

    targets, shown = data["targets"], data["sources"]
    figure = Figure(figsize=(8.4, 1.2 + 0.28 * len(targets)), layout="constrained")
    for axes, (key, (said, colours)) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        values = np.array([[(one[key] or NOTHING)["value"] for one in target["sources"]] for target in targets])
        reach = max(float(np.nanmax(np.abs(values - 1), initial=0.1)), 0.1)
        axes.imshow(values, cmap=colours, norm=TwoSlopeNorm(1.0, 1 - reach, 1 + reach), aspect="auto", alpha=0.7)
        for (i, j), value in np.ndenumerate(values):
            home = targets[i]["sources"][j]["home"]
            text = ("" if np.isnan(value) else f"{value:.2f}") + (" (home)" if home and key != "retrained" else "")
            axes.text(j, i, text or "–", ha="center", va="center")
        axes.set_xticks(range(len(shown)), [source["name"].replace("-variant-", "\n") for source in shown])
        axes.set_yticks(range(len(targets)), [target["target"].replace("-variant-", "\n") for target in targets])
        axes.set_title(said)
        axes.set_xlabel("trained for")
    return figure
