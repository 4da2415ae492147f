"""Denoisers of more and fewer blocks, trained at equal compute: how much of them need not be computed anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from bench.cost.plan_cost import plan_macs
from bench.statistics.interval import Interval
from bench.studies import Unanswerable
from bench.studies.lab.learning import all_digits, train
from bench.studies.lab.masks import Array
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

RISE = 0.1  # of the uncached sampler's error
RESAMPLES, TAIL = 2000, 0.025


@dataclass(frozen=True)
class Settings:
    """`sizes` are (blocks, width); each is trained with a share `compute` of the MACs of the model's own training.

    Errors are of every share `removed`, in the order of a router of λ `l1` trained on `images`.
    """

    sampler: Part
    sizes: tuple[tuple[int, int], ...]
    compute: float
    removed: tuple[float, ...]
    seeds: int
    l1: float
    images: int
    iterations: int
    coarse: int = 1


DDIM_20 = Part("ddim", {"steps": 20})
SIZES = ((6, 96), (12, 64), (24, 48), (48, 32), (12, 96))  # all but the last of about the same MACs
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
FULL = Settings(DDIM_20, SIZES, 0.1, SHARES, seeds=24, l1=1e-4, images=5000, iterations=400)
QUICK = Settings(DDIM_20, ((1, 16), (2, 16)), 1e-5, (0.0, 0.5, 1.0), 4, 1e-4, 10, 4, coarse=10)


def run(subject: Subject, settings: Settings, step: Callable[..., Any]) -> dict[str, Any]:
    """One step a size; its training goes on from a checkpoint in the cache directory. Raises Unanswerable otherwise."""
    if subject.spec.architecture is not DIT or not of_digits(subject.spec):
        raise Unanswerable(f"{subject.spec.name}: only a DiT of digits can be made deeper")
    sizes = [
        step(f"{depth}x{width}", partial(of_size, subject, settings, depth, width)) for depth, width in settings.sizes
    ]
    return {"sizes": sizes}


def of_size(subject: Subject, settings: Settings, depth: int, width: int) -> dict[str, Any]:
    """Errors to its own exact solution by the share of its cacheable branches that is removed."""
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
            {"removed": removed, "errors": trial.errors(mask)}
            for removed, mask in zip(settings.removed, masks, strict=True)
        ],
    }


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


def first_crossing(shares: Sequence[float], means: Array, limit: float) -> float:
    """The share up to which mean errors stay within the limit, on straight lines between points from the first on."""
    over = np.flatnonzero(means > limit)
    if not len(over):
        return shares[-1]
    if over[0] == 0:
        return 0.0
    before, after = over[0] - 1, over[0]
    part = (limit - means[before]) / (means[after] - means[before])
    return float(shares[before] + part * (shares[after] - shares[before]))


def reusable(size: dict[str, Any], limit: float | None = None) -> dict[str, float]:
    """The share within `limit`, or within RISE above the size's own uncached error; seeds are resampled."""
    shares = [point["removed"] for point in size["points"]]
    values = np.array([point["errors"] for point in size["points"]])  # [shares, seeds]
    picks = np.random.default_rng(0).integers(0, values.shape[1], (RESAMPLES, values.shape[1]))

    def of(means: Array) -> float:
        return first_crossing(shares, means, (1 + RISE) * float(means[0]) if limit is None else limit)

    drawn = [of(values[:, pick].mean(axis=1)) for pick in picks]
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return asdict(Interval(of(values.mean(axis=1)), float(low), float(high)))


def common_limit(data: dict[str, Any]) -> float:
    """One error for all sizes: RISE above the largest that any has uncached."""
    return (1 + RISE) * max(float(np.mean(size["points"][0]["errors"])) for size in data["sizes"])


def answer(data: dict[str, Any]) -> str:
    """One sentence: the shares of all sizes at an error relative to each; the tables have those at one fixed error."""
    shares = ", ".join(f"{percent_text(reusable(size))} ({name(size)})" for size in data["sizes"])
    return (
        f"At {100 * RISE:.0f} % more error than uncached, denoisers of blocks × width that were trained at equal "
        f"compute can reuse these shares of their cacheable branches: {shares}."
    )


def tables(data: dict[str, Any]) -> list[Table]:
    limit = common_limit(data)
    rows = [
        (name(size), f"{size['steps']}", f"{size['macs'] / 1e6:.1f} M",
         interval_text(mean_error(size["points"][0]["errors"], size["resolution"]), 4),
         percent_text(reusable(size)), percent_text(reusable(size, limit)))
        for size in data["sizes"]
    ]  # fmt: skip
    head = ("blocks × width", "training steps", "MACs", "uncached error", f"reusable at {100 * RISE:.0f} % more",
            f"reusable at {limit:.3g}")  # fmt: skip
    shares = [f"{100 * point['removed']:.0f} %" for point in data["sizes"][0]["points"]]
    errors = [
        (name(size), *(interval_text(mean_error(point["errors"], size["resolution"]), 4) for point in size["points"]))
        for size in data["sizes"]
    ]
    return [
        Table("Shares of the cacheable branches", head, tuple(rows)),
        Table("Error to the exact solution by share removed", ("blocks × width", *shares), tuple(errors)),
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
