"""Denoisers of more and fewer blocks, trained at equal compute: how much of them need not be computed anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from bench.cost.plan_cost import plan_macs
from bench.studies import Unanswerable
from bench.studies.lab.crossing import crossings, spread
from bench.studies.lab.judge import Judge, change
from bench.studies.lab.learning import all_digits, train
from bench.studies.lab.masks import Array, Mask
from bench.studies.lab.plots import errorbars
from bench.studies.lab.result import Table
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial, mean_error
from bench.studies.lab.words import interval_text, percent_text
from bench.suite.cells import Part
from bench.train.denoiser import DenoisingLoss
from bench.train.loop import Trainer
from bench.train.recipe import Recipe
from bench.train.router.data import of_digits
from bench.train.router.objective import RouterRecipe
from methods.plan import uncached
from models.denoiser import Denoiser
from models.dit_structure import DIT
from models.fetch import cache_directory
from models.spec import ModelSpec, build_random, structure

NAME = "depth"
QUESTION = "Can a larger share of a deeper denoiser's branches be reused, at a fixed error to the exact solution?"
HOW = (
    "Denoisers of several depths, narrower as they grow deeper, and a wider one are trained on the model's data by "
    "its recipe, all with as many steps as make one share of the MACs that its own training took. A router orders "
    "each one's cacheable branches; the answer is how many can be reused until the error to the model's own exact "
    "solution is a tenth above that of the uncached sampler, and until it passes one error that is the same for all. "
    "One training a size: whether two trainings of one size differ as much was not looked at."
)

RISE = 0.1  # of the uncached sampler's error


@dataclass(frozen=True)
class Settings:
    """`sizes` are (blocks, width); each is trained with a share `compute` of the MACs of the model's own training.

    Errors are of every share `removed`, none of them first, in the order of a router of λ `l1` trained on `images`;
    FD is of `judged` samples.
    """

    sampler: Part
    sizes: tuple[tuple[int, int], ...]
    compute: float
    removed: tuple[float, ...]
    seeds: int
    l1: float
    images: int
    iterations: int
    judged: int
    coarse: int = 1


DDIM_20 = Part("ddim", {"steps": 20})
SIZES = ((6, 96), (12, 64), (24, 48), (48, 32), (12, 96))  # all but the last of about the same MACs
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
FULL = Settings(DDIM_20, SIZES, 0.1, SHARES, seeds=24, l1=1e-4, images=5000, iterations=400, judged=400)
QUICK = Settings(DDIM_20, ((1, 16), (2, 16)), 1e-5, (0.0, 0.5, 1.0), 4, 1e-4, 10, 4, judged=32, coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a size; its training goes on from a checkpoint in the cache directory. Raises Unanswerable otherwise."""
    if subject.spec.architecture is not DIT or not of_digits(subject.spec):
        raise Unanswerable(f"{subject.spec.name}: only a DiT of digits can be made deeper")
    sizes = [
        step(f"{depth}x{width}", partial(of_size, subject, settings, depth, width)) for depth, width in settings.sizes
    ]
    return {"sizes": sizes}


def of_size(subject: Subject, settings: Settings, depth: int, width: int) -> dict[str, Any]:
    """Errors to its own exact solution, and FD, by the share of its cacheable branches that is removed."""
    spec = replace(subject.spec, config=subject.spec.config | {"depth": depth, "hidden_size": width})
    recipe = equal_compute(subject.spec, spec, settings.compute)
    own = Subject(trained(spec, recipe, f"{depth}x{width}"), spec, subject.guidance)
    trial = Trial(own, settings.sampler, settings.seeds, settings.coarse)
    router_recipe = RouterRecipe(steps=settings.iterations, l1=settings.l1, data=f"{settings.images} digits")
    router = train(own, settings.sampler.method, settings.images, router_recipe, 1).learned
    masks = [trial.cacheable.without(router.importance(), removed) for removed in settings.removed]
    return {
        "blocks": depth,
        "width": width,
        "steps": recipe.steps,
        "macs": macs(spec),
        "resolution": trial.solution.resolution,
        "points": [
            {"removed": removed} | found
            for removed, found in zip(settings.removed, measured(trial, masks, settings.judged), strict=True)
        ],
    }


def measured(trial: Trial, masks: Sequence[Mask], images: int) -> list[dict[str, Any]]:
    """Of every mask the errors, FD, and by how much that is above the first mask's, paired by seed."""
    judge = Judge(trial.subject, range(images))
    latents = [trial.latents(mask, max(images, trial.seeds)) for mask in masks]
    judged = [judge(made[:images]) for made in latents]
    return [
        {"errors": trial.solution.errors(made).tolist(), "fd": now["fd"], "fd_change": change(now, judged[0], "fd")}
        for made, now in zip(latents, judged, strict=True)
    ]


def macs(spec: ModelSpec) -> int:
    """Of one unguided evaluation of an image."""
    said = structure(spec)
    return plan_macs(said, uncached(1, said.num_branches))


def equal_compute(model: ModelSpec, other: ModelSpec, share: float) -> Recipe:
    """The model's recipe with as many steps as make MACs × steps a `share` of the model's own."""
    recipe = Recipe(**model.training)
    recipe.steps = max(1, round(share * recipe.steps * macs(model) / macs(other)))
    recipe.warmup = min(recipe.warmup, recipe.steps)
    return recipe


def trained(spec: ModelSpec, recipe: Recipe, size: str) -> Denoiser:
    """The averaged weights of the recipe's run, which goes on where it was interrupted; a finished one is only read."""
    model, data = build_random(spec, recipe.seed), all_digits(spec)
    recipe.data = data.name
    folder = cache_directory() / "studies" / NAME / f"{spec.name}-{size}-{recipe.steps}"
    folder.mkdir(parents=True, exist_ok=True)
    loss = DenoisingLoss(model, data, recipe.batch, recipe.label_dropout)
    averaged = Trainer(model, loss, recipe, folder / "checkpoint.pt").run()
    assert isinstance(averaged, Denoiser)
    return averaged.requires_grad_(False)


def name(size: dict[str, Any]) -> str:
    return f"{size['blocks']} × {size['width']}"


def reusable(size: dict[str, Any], limit: float | None = None) -> dict[str, float]:
    """The share within `limit`, or within RISE above the size's own uncached error; seeds are resampled."""
    return spread(*resampled(size, limit))


def resampled(size: dict[str, Any], limit: float | None = None) -> tuple[float, Array]:
    """That share, and those of draws of seeds, which are the same for every size."""
    shares = [point["removed"] for point in size["points"]]
    values = np.array([point["errors"] for point in size["points"]])  # [shares, seeds]
    return crossings(shares, values, lambda means: (1 + RISE) * float(means[0]) if limit is None else limit)


def gain_of_depth(data: dict[str, Any]) -> dict[str, float]:
    """The share of the size of most blocks less that of the size of fewest, paired by seed."""
    ends = [find(data["sizes"], key=lambda size: size["blocks"]) for find in (max, min)]
    (most, many), (least, few) = map(resampled, ends)
    return spread(most - least, many - few)


def surely_worse(size: dict[str, Any]) -> float | None:
    """The least share removed from which on FD has surely risen; None where it has not even at the largest."""
    found = None
    for point in reversed(size["points"]):
        if point["fd_change"]["low"] <= 0:
            return found
        found = point["removed"]
    return found


def common_limit(data: dict[str, Any]) -> float:
    """One error for all sizes: RISE above the largest that any has uncached."""
    return (1 + RISE) * max(float(np.mean(size["points"][0]["errors"])) for size in data["sizes"])


def answer(data: dict[str, Any]) -> str:
    """One sentence: whether the deepest can reuse more than the shallowest; the shares of all sizes; FD."""
    gain, blocks = gain_of_depth(data), [size["blocks"] for size in data["sizes"]]
    sure = "sure" if gain["low"] > 0 or gain["high"] < 0 else "not sure"
    shares = ", ".join(f"{percent_text(reusable(size))} ({name(size)})" for size in data["sizes"])
    return (
        f"Trained at equal compute, {max(blocks)} blocks can reuse {percent_text(gain)} more of their cacheable "
        f"branches than {min(blocks)}, which is {sure}: at {100 * RISE:.0f} % more error than uncached these shares of "
        f"blocks × width: {shares}; {fd_text(data['sizes'])}."
    )


def fd_text(sizes: Sequence[dict[str, Any]]) -> str:
    """From which shares on FD surely rises, and by how much of it with the largest share removed."""
    risen = [share for share in map(surely_worse, sizes) if share is not None]
    rises = [size["points"][-1]["fd_change"]["value"] / size["points"][0]["fd"] for size in sizes]
    start = f", from {span(risen, 0)} removed on" if risen else ""
    return f"FD surely rises in {len(risen)} of {len(sizes)}{start}, and by {span(rises, 1)} with all removed"


def span(shares: Sequence[float], digits: int) -> str:
    """`25 %`, or `25 to 50 %`."""
    ends = dict.fromkeys(f"{100 * share:.{digits}f}".replace("-", "−") for share in (min(shares), max(shares)))
    return f"{' to '.join(ends)} %"


def rise_text(size: dict[str, Any]) -> str:
    share = surely_worse(size)
    return "no share" if share is None else f"{100 * share:.0f} %"


def tables(data: dict[str, Any]) -> list[Table]:
    limit = common_limit(data)
    rows = [
        (name(size), f"{size['steps']}", f"{size['macs'] / 1e6:.1f} M",
         interval_text(mean_error(size["points"][0]["errors"], size["resolution"]), 4),
         percent_text(reusable(size)), percent_text(reusable(size, limit)), rise_text(size))
        for size in data["sizes"]
    ]  # fmt: skip
    head = ("blocks × width", "training steps", "MACs", "uncached error", f"reusable at {100 * RISE:.0f} % more",
            f"reusable at {limit:.3g}", "FD surely rises from")  # fmt: skip
    shares = [f"{100 * point['removed']:.0f} %" for point in data["sizes"][0]["points"]]
    errors = [
        (name(size), *(interval_text(mean_error(point["errors"], size["resolution"]), 4) for point in size["points"]))
        for size in data["sizes"]
    ]
    fd = [
        (name(size), f"{size['points'][0]['fd']:.2f}", *(interval_text(p["fd_change"]) for p in size["points"][1:]))
        for size in data["sizes"]
    ]
    return [
        Table("Shares of the cacheable branches", head, tuple(rows)),
        Table("Error to the exact solution by share removed", ("blocks × width", *shares), tuple(errors)),
        Table("FD uncached, and its rise by share removed", ("blocks × width", *shares), tuple(fd)),
    ]


def plot(data: dict[str, Any]) -> Any:
    """Left errors over the uncached ones by the share removed, right the shares that can be reused, by blocks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.9, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for size, mark in zip(data["sizes"], "osD^vx*+", strict=False):
        means = [float(np.mean(point["errors"])) for point in size["points"]]
        left.plot([100 * point["removed"] for point in size["points"]], np.divide(means, means[0]), f"{mark}-",
                  markersize=3, linewidth=1, label=name(size))  # fmt: skip
    places, limit = np.arange(len(data["sizes"])), common_limit(data)
    for at, shift, mark, text in (
        (None, -0.1, "o", f"{100 * RISE:.0f} % more error"),
        (limit, 0.1, "s", f"error {limit:.3g}"),
    ):
        shares = [{key: 100 * value for key, value in reusable(size, at).items()} for size in data["sizes"]]
        errorbars(right, (places + shift).tolist(), shares, fmt=mark, label=text)
    left.set(xlabel="cacheable branches removed, %", ylabel="error / error uncached")
    right.set(xlabel="blocks × width", ylabel="cacheable branches reused, %")
    right.set_xticks(places, [name(size) for size in data["sizes"]])
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    return figure
