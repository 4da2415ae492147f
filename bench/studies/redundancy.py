"""How little branches change from one evaluation to another, and whether L2C's routers have learned just that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.statistics.bootstrap import mean_intervals
from bench.statistics.interval import Interval
from bench.statistics.rank_correlation import rank_correlation
from bench.studies.lab.recorder import Array, Changes, redundancy
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject, title
from bench.studies.lab.words import interval_text, percent_text, rounded
from bench.suite.cells import Part
from methods.method import Sampler
from methods.routing.file import read_router
from methods.routing.pattern import routed_evaluations
from methods.routing.shipped import strengths

NAME = "redundancy"
QUESTION = "Which branches hardly change from one evaluation to another, when, and is that what L2C's routers learn?"
HOW = (
    "The change is ‖f(h_m) − f(h_s)‖² / ‖f(h_m)‖² of a branch's output before its gate, of both halves of the "
    "guidance; neighbours are s = m − 1. A router's rank correlation is with the changes from the evaluation that it "
    "would reuse; the absolute change is ‖f(h_m) − f(h_s)‖² itself."
)

SMALL = 0.01  # of ‖f(h_m)‖²: a change of a tenth of the output's length
KINDS = ("relative", "absolute")  # changes that scores are ranked with
THIRDS = ("first third", "middle third", "last third")


@dataclass(frozen=True)
class Settings:
    """`images` seeds of every sampler, `batch` at a time."""

    images: int
    batch: int
    samplers: tuple[Part, ...]


UVIT = {"variant": "uvit-singlestep"}
FULL = Settings(
    32,
    8,
    (
        Part("ddim", {"steps": 50}),
        Part("ddim", {"steps": 20}),
        Part("ddim", {"steps": 10}),
        Part("dpm-solver++", {"steps": 20}),
        Part("dpm-solver++", {"steps": 20, **UVIT}),
    ),
)
QUICK = Settings(4, 4, (Part("ddim", {"steps": 20}), Part("dpm-solver++", {"steps": 10})))


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a sampler."""
    return {
        "samplers": [
            step(title(part), lambda part=part: of_sampler(subject, settings, part)) for part in settings.samplers
        ]
    }


def of_sampler(subject: Subject, settings: Settings, part: Part) -> dict[str, Any]:
    """Everything about one sampler: mean errors of all pairs s < m, shares of small ones, and what routers scored."""
    changes = redundancy(subject, part.method, range(settings.images), settings.batch)
    pairs = changes.errors.mean(axis=0)
    return {
        "sampler": title(part),
        "evaluations": pairs.shape[-1],
        "neighbours": rounded(changes.relative.mean(axis=0)),  # [branch][m - 1]: of m - 1 for m
        "pairs": [[rounded(row[:m]) for m, row in enumerate(branch.T)][1:] for branch in pairs],  # [branch][m - 1][s]
        "shares": shares(changes.relative),
        "routers": routers(subject, part.method, changes),
    }


def shares(neighbours: Array) -> dict[str, dict[str, float]]:
    """The share of outputs that change by at most SMALL: of all, of each kind of branch, of each third of the time."""
    small = neighbours <= SMALL
    thirds = np.array_split(np.arange(small.shape[2]), 3)
    groups = {"all": small, "attention": small[:, 0::2], "MLP": small[:, 1::2]}
    groups |= {name: small[:, :, when] for name, when in zip(THIRDS, thirds, strict=True) if len(when)}
    values = np.stack([group.mean(axis=(1, 2)) for group in groups.values()], axis=1)  # [images, groups]
    low, high = mean_intervals(values)
    return {
        name: asdict(Interval(float(values[:, i].mean()), float(low[i]), float(high[i])))
        for i, name in enumerate(groups)
    }


def routers(subject: Subject, sampler: Sampler, changes: Changes) -> list[dict[str, Any]]:
    """Of every router that is shipped for the sampler: how its scores rank with the changes where it decides."""
    decided = routed_evaluations(subject.model, sampler.evaluations(subject.model.noise_schedule))
    places, correlations = [r.evaluation - 1 for r in decided], []
    for l1, path in strengths(subject.spec.name, sampler).items():
        scores = read_router(path).scores.double().numpy()[[r.row for r in decided]]
        kinds = {name: getattr(changes, name)[:, :, places] for name in KINDS}  # [images, branches, decided]
        rhos = {name: rank_correlation(scores.T.ravel(), at.reshape(len(at), -1)) for name, at in kinds.items()}
        correlations.append({"l1": l1, **{name: None if rho is None else asdict(rho) for name, rho in rhos.items()}})
    return correlations


def answer(data: dict[str, Any]) -> str:
    """One sentence about the sampler of most evaluations, and about all routers."""
    most = max(data["samplers"], key=lambda one: one["evaluations"])
    shares = most["shares"]
    largest, smallest = (
        chosen((group for group in shares if group != "all"), key=lambda group: shares[group]["value"])
        for chosen in (max, min)
    )
    return (
        f"With {most['sampler']}, {percent_text(shares['all'])} of the branch outputs change by at most "
        f"{100 * SMALL:g} % of their squared length from one evaluation to the next, {percent_text(shares[largest])} "
        f"{where(largest)} and {percent_text(shares[smallest])} {where(smallest)}; {about_routers(data)}."
    )


def where(group: str) -> str:
    return f"in the {group} of the time" if group in THIRDS else f"of {group} branches"


def about_routers(data: dict[str, Any]) -> str:
    said = []
    for kind in KINDS:
        known = [r[kind] for one in data["samplers"] for r in one["routers"] if r[kind]]
        if not known:
            return "no router is shipped whose scores could be compared"
        least, most = (interval_text(chosen(known, key=lambda rho: rho["value"])) for chosen in (min, max))
        rise, fall = sum(rho["low"] > 0 for rho in known), sum(rho["high"] < 0 for rho in known)
        said.append(f"{kind} change in {rise} of {len(known)} routers, surely fall in {fall} (ρ {least} to {most})")
    return f"L2C's scores surely rise with the {', and with the '.join(said)}"


def tables(data: dict[str, Any]) -> list[Table]:
    groups = list(data["samplers"][0]["shares"])
    share_rows = [
        (one["sampler"], *(percent_text(one["shares"][g]) if g in one["shares"] else "–" for g in groups))
        for one in data["samplers"]
    ]
    router_rows = [
        (one["sampler"], f"{r['l1']:g}", *(interval_text(r[kind]) if r[kind] else "all equal" for kind in KINDS))
        for one in data["samplers"]
        for r in one["routers"]
    ]
    return [
        Table(
            f"Outputs that change by at most {100 * SMALL:g} % from one evaluation to the next",
            ("sampler", *groups),
            tuple(share_rows),
        ),
        Table("Rank correlation of routers' scores with the change", ("sampler", "λ", *KINDS), tuple(router_rows)),
    ]


def plot(data: dict[str, Any]) -> Any:
    """Above and in the middle the change from one evaluation to the next, block × time; below of all pairs, s × m."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = data["samplers"]
    figure = Figure(figsize=(1.9 * len(shown) + 1, 5.2), layout="constrained")
    axes = figure.subplots(3, len(shown), squeeze=False)
    for column, one in zip(axes.T, shown, strict=True):
        change, last = np.array(one["neighbours"]), one["evaluations"] - 0.5
        panels = (change[0::2], change[1::2], mean_of_pairs(one["pairs"], one["evaluations"]))
        for place, values, left in zip(column, panels, (0.5, 0.5, -0.5), strict=True):
            extent = (left, last, len(values) - 0.5, -0.5)
            shown_values = np.maximum(values, 1e-4)
            image = place.imshow(shown_values, norm=LogNorm(1e-4, 1), cmap="viridis", aspect="auto", extent=extent)
            place.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            place.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        column[0].set_title(one["sampler"].replace("-variant-", "\n"))
        column[2].set_xlabel("evaluation m")
    for place, name in zip(axes[:, 0], ("attention: block", "MLP: block", "all branches: evaluation s"), strict=True):
        place.set_ylabel(name)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, format="{x:g}")
    bar.set_label("‖f(hₘ) − f(hₛ)‖² / ‖f(hₘ)‖²   (upper rows: s = m − 1)")
    return figure


def mean_of_pairs(pairs: list[list[list[float]]], count: int) -> Array:
    """Mean over branches of the errors at [s, m], NaN where s is not before m."""
    table = np.full((count, count), np.nan)
    for m in range(1, count):
        table[:m, m] = np.mean([branch[m - 1] for branch in pairs], axis=0)
    return table
