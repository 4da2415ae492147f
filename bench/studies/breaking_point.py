"""How many branches can be removed before each measure of quality says so, by the way in which they are chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from torch import Tensor

from bench.quality.metrics.paired import latent_error
from bench.studies.lab.judge import Judge, change
from bench.studies.lab.masks import DDIM_50, FEW, Array, Learned, Mask, calibrated, learned, routed
from bench.studies.lab.plots import errorbars
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial, mean_of
from bench.studies.lab.words import interval_text
from bench.suite.cells import Part

NAME = "breaking-point"
QUESTION = "How many cacheable branches can be removed before each measure of quality is surely worse?"
HOW = (
    "Four orders remove the same share: by the router's scores, by SmoothCache's calibrated errors, whole evaluations "
    "spread evenly (FORA), and at random, in one draw. A measure is surely worse where the interval of its paired "
    "difference from the uncached sampler says so at that share and at every larger one; latent error where samples "
    "have moved by more than the uncached sampler's own error."
)

LEARNED = "learned"
METHODS = (LEARNED, "SmoothCache", "uniform", "random")
MEASURES = {
    "moved": "latent error",
    "ode_error": "ODE error",
    "fd": "FD",
    "accuracy": "accuracy",
}


@dataclass(frozen=True)
class Settings:
    """`removed` shares of the cacheable branches; errors are of `seeds`, FD and accuracy of `images`.

    Of the `samplers` it is the first that routers are shipped for.
    """

    samplers: tuple[Part, ...]
    removed: tuple[float, ...]
    seeds: int
    images: int
    coarse: int = 1


FULL = Settings((DDIM_50,), (0.5, 0.7, 0.9, 0.95, 0.99), seeds=24, images=160)
QUICK = Settings(FEW, (0.99,), seeds=4, images=32, coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a method and a share removed."""
    sampler = routed(subject, settings.samplers)
    comparison = Comparison(Trial(subject, sampler, settings.seeds, settings.coarse), settings.images)
    uncached = step("uncached", comparison.uncached_errors)
    points = [
        step(f"{method}-{removed:g}", partial(comparison.point, method, removed))
        for method in METHODS
        for removed in settings.removed
    ]
    return {"uncached": uncached, "points": points}


class Comparison:
    """Samples of masks against those of the uncached sampler, which are made once, when they are first needed."""

    def __init__(self, trial: Trial, images: int) -> None:
        self.trial, self.images = trial, images
        self.judge = Judge(trial.subject, range(images))
        self.routers = learned(trial.subject, trial.part.method)

    @cached_property
    def whole(self) -> tuple[Tensor, dict[str, Any]]:
        """Latents of the uncached sampler, and what they are judged to be."""
        latents = self.trial.latents(None, self.images)
        return latents, self.judge(latents)

    def uncached_errors(self) -> dict[str, Any]:
        latents, judged = self.whole
        return {
            "ode_error": mean_of(self.trial.solution.errors(latents)),
            "resolution": self.trial.solution.resolution,
            "fd": judged["fd"],
            "accuracy": judged["accuracy"],
        }

    def mask(self, method: str, removed: float) -> Mask:
        """That share of the cacheable branches removed, as the method chooses."""
        cacheable = self.trial.cacheable
        if method == LEARNED:
            return cacheable.without(self.nearest(removed).importance(), removed)
        if method == "SmoothCache":
            return cacheable.without(self.calibrated, removed)
        return cacheable.without(cacheable.uniform() if method == "uniform" else cacheable.random(0), removed)

    @cached_property
    def calibrated(self) -> Array:
        """SmoothCache's importances."""
        return calibrated(self.trial.subject, self.trial.part.method, self.trial.cacheable)

    def nearest(self, removed: float) -> Learned:
        """The router whose own mask removes the most similar share."""
        return min(self.routers, key=lambda router: abs(self.trial.cacheable.removed(router.mask) - removed))

    def point(self, method: str, removed: float) -> dict[str, Any]:
        """Every measure, with intervals: ODE error, FD and accuracy as paired differences from the uncached sampler."""
        whole, before = self.whole
        latents = self.trial.latents(self.mask(method, removed), self.images)
        judged, exact = self.judge(latents), self.trial.solution
        return {
            "method": method,
            "removed": removed,
            "moved": mean_of(latent_error(latents, whole)),
            "ode_error": mean_of(exact.errors(latents) - exact.errors(whole)),
            "fd": change(judged, before, "fd"),
            "accuracy": change(judged, before, "accuracy"),
        }


def worse(point: Mapping[str, Any], measure: str, uncached: Mapping[str, Any]) -> bool:
    """Whether a measure has surely left its interval.

    Samples have surely moved where they are farther from the uncached ones than those are from the exact solution;
    ODE error and FD have surely risen, and accuracy has surely fallen, where the interval of the difference says so.
    """
    if measure == "moved":
        return point["moved"]["low"] > uncached["ode_error"]["value"]
    return point["accuracy"]["high"] < 0 if measure == "accuracy" else point[measure]["low"] > 0


def breaking_point(data: Mapping[str, Any], method: str, measure: str) -> float | None:
    """The least share removed from which on the measure is surely worse; None where it is not even at the largest."""
    removed = None
    for point in sorted((p for p in data["points"] if p["method"] == method), key=lambda p: -p["removed"]):
        if not worse(point, measure, data["uncached"]):
            return removed
        removed = point["removed"]
    return removed


def answer(data: dict[str, Any]) -> str:
    """One sentence about the router's order: from where on the ODE error rises, by how much in the end, and the rest.

    The other orders are in the tables.
    """
    share = breaking_point(data, LEARNED, "ode_error")
    last = max((p for p in data["points"] if p["method"] == LEARNED), key=lambda p: p["removed"])
    where = "at no share" if share is None else f"from {100 * share:g} % on"
    rise = f"by {interval_text(last['ode_error'], 4)} at {100 * last['removed']:g} %"
    said = f"cacheable branches surely raise the ODE error {where}, {rise}{about_others(data)}"
    return f"Removed in a router's order, {said}."


def about_others(data: Mapping[str, Any]) -> str:
    """From which share on another measure is surely worse in the router's order; those that are not at any."""
    first = {
        name: breaking_point(data, LEARNED, measure) for measure, name in MEASURES.items() if measure != "ode_error"
    }
    broken = "".join(f"; {name} is surely worse from {100 * s:g} % on" for name, s in first.items() if s is not None)
    whole = [name for name, share in first.items() if share is None]
    return broken + (f"; no share surely worsens {either(whole)}" if whole else "")


def either(names: Sequence[str]) -> str:
    """`FD`, `FD or accuracy`, `latent error, FD or accuracy`."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def share_text(data: Mapping[str, Any], method: str, measure: str) -> str:
    share = breaking_point(data, method, measure)
    return "–" if share is None else f"{100 * share:g} %"


def tables(data: dict[str, Any]) -> list[Table]:
    breaks = tuple(
        (name, *(share_text(data, method, measure) for method in METHODS)) for measure, name in MEASURES.items()
    )
    rows = tuple(
        (p["method"], f"{100 * p['removed']:g} %", interval_text(p["moved"], 4), interval_text(p["ode_error"], 4),
         interval_text(p["fd"]), interval_text(p["accuracy"], 3))
        for p in data["points"]
    )  # fmt: skip
    head = ("method", "removed", "moved", "ODE error, more", "FD, more", "accuracy, more")
    return [
        Table("Share removed from which on a measure is surely worse", ("measure", *METHODS), breaks),
        Table("All points, less the uncached sampler's", head, rows),
    ]


def plot(data: dict[str, Any]) -> Any:
    """One panel a measure, one line a method; the dashed line is what a measure must leave."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.9, 5.0), layout="constrained")
    bounds = {"moved": data["uncached"]["ode_error"]["value"]}
    for axes, (measure, name) in zip(figure.subplots(2, 2).flat, MEASURES.items(), strict=True):
        for method, mark in zip(METHODS, ("o-", "s-", "^-", "d--"), strict=True):
            points = [p for p in data["points"] if p["method"] == method]
            x = [100 * p["removed"] for p in points]
            errorbars(axes, x, [p[measure] for p in points], fmt=mark, label=method)
        axes.axhline(bounds.get(measure, 0.0), color="black", linestyle="--", linewidth=0.8)
        axes.set(
            xlabel="cacheable branches removed, %", ylabel=name if measure == "moved" else f"{name}, paired change"
        )
        axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
