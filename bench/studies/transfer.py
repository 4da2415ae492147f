"""Routers used with another sampler, step count, spacing or guidance than they were trained for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.statistics.ratio_of_means import ratio_of_means
from bench.studies.lab.masks import learned
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject, title
from bench.studies.lab.transfer import Source, sources
from bench.studies.lab.trial import Trial
from bench.studies.lab.words import interval_text
from bench.suite.cells import Part
from methods.routing.shipped import strengths

NAME = "transfer"
QUESTION = "Is a router of use with another sampler, step count, spacing or guidance than it was trained for?"


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
    """`draws` random masks of equal cost stand against each router's."""

    targets: tuple[Target, ...]
    seeds: int
    draws: int
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
    draws=2,
)
QUICK = Settings((Target(DDIM_20), Target(Part("unipc", {"steps": 10}))), seeds=4, draws=1, coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a target."""
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
    uncached, here = trial.errors(None), guided.guidance == subject.spec.guidance_scale
    return {
        "target": target.name,
        "error": float(np.mean(uncached)),
        "sources": [
            compared(trial, source, uncached, settings.draws, here and source.made_for(target.sampler.method))
            for source in moved
        ],
    }


def compared(trial: Trial, source: Source, uncached: list[float], draws: int, home: bool) -> dict[str, Any]:
    """A router's mask against the uncached sampler, random masks of equal cost, and a router of the target's own."""
    sampler = trial.part.method
    mask = source.mask(trial.subject, sampler)
    errors = np.array([trial.errors(mask)])
    drawn = np.array([trial.errors(trial.cacheable.shuffled(mask, seed)) for seed in range(draws)])
    native = None if home else natively(trial, trial.cacheable.removed(mask))
    return {
        "home": home,
        "removed": trial.cacheable.removed(mask),
        "lost": asdict(ratio_of_means(errors, np.array([uncached]))),
        "random": asdict(ratio_of_means(drawn, errors)),
        "retrained": None if native is None else asdict(ratio_of_means(errors, np.array([native]))),
    }


def natively(trial: Trial, removed: float) -> list[float] | None:
    """Errors by the router that was trained for the target's sampler, as much removed; None where none is shipped."""
    subject, sampler = trial.subject, trial.part.method
    if subject.guidance != subject.spec.guidance_scale or not strengths(subject.spec.name, sampler):
        return None
    routers = learned(subject, sampler)
    own = min(routers, key=lambda router: abs(trial.cacheable.removed(router.mask) - removed))
    return trial.errors(trial.cacheable.without(own.importance(), removed))


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
    most = max(known, key=lambda ratio: ratio["value"])
    return (
        f"; a router trained there surely errs less in {sum(r['low'] > 1 for r in known)} of {len(known)} (the moved "
        f"one's error being at most {interval_text(most)} times its)"
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


def plot(data: dict[str, Any]) -> Any:
    """Two matrices, routers × targets: what is lost to the uncached sampler, and what is won over random masks."""
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.figure import Figure

    targets, shown = data["targets"], data["sources"]
    figure = Figure(figsize=(6.9, 1.0 + 0.28 * len(targets)), layout="constrained")
    panels = zip(figure.subplots(1, 2, sharey=True), ("lost", "random"), ("PuOr_r", "PuOr"), strict=True)
    for axes, key, colours in panels:
        values = np.array([[one[key]["value"] for one in target["sources"]] for target in targets])
        reach = max(np.abs(values - 1).max(), 0.1)
        axes.imshow(values, cmap=colours, norm=TwoSlopeNorm(1.0, 1 - reach, 1 + reach), aspect="auto", alpha=0.7)
        for (i, j), value in np.ndenumerate(values):
            mark = " (home)" if targets[i]["sources"][j]["home"] else ""
            axes.text(j, i, f"{value:.2f}{mark}", ha="center", va="center")
        axes.set_xticks(range(len(shown)), [source["name"].replace("-variant-", "\n") for source in shown])
        axes.set_yticks(range(len(targets)), [target["target"] for target in targets])
        axes.set_title("error / uncached error" if key == "lost" else "error of random masks / error")
        axes.set_xlabel("trained for")
    return figure
