"""The settings that are screened: every registered method over its own sweep, on the shipped models' usual samplers.

A method may state its sweep, as a suite file does: `sweep = {"interval": [2, 3]}`. Where it does not, it follows from
its declared parameters: `steps` of a sampler, else `interval`, else `threshold` around its default. A method that
needs a file takes part where that file is shipped: a router of the model, by its `l1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import methods
from bench.cost.dry_run import meta_model
from bench.suite.cells import Cell
from bench.suite.file import sweep
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from bench.suite.selection import select
from methods.method import Method
from methods.routing.shipped import shelf, shipped
from models.errors import THEIRS

REFERENCE = ("ddim", {"steps": 50})
CACHED = (REFERENCE, ("ddim", {"steps": 20}), ("dpm-solver++", {"steps": 20}))  # samplers that caches are put on
STEPS = [50, 30, 20, 15, 12, 10, 8, 6, 5]
INTERVALS = [2, 3, 4, 5]
FACTORS = (0.5, 1.0, 2.0)  # of a threshold's default
WRITABLE = (str, int, float, bool)  # what a suite file can say

Params = dict[str, Any]


@dataclass(frozen=True)
class Candidates:
    """`cells` by slug, the reference first; `excluded`: what cannot take part, and why in one line."""

    reference: Cell
    cells: dict[str, Cell]
    excluded: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweeps:
    """All candidates, as `--only` chooses among them."""

    cells: list[Cell]
    where: str = "the default sweeps"


def candidates(model: str, rules: Protocol, only: str | None = None) -> Candidates:
    """The settings of a model that the expression chooses, all without one; always the reference.

    Raises InputError for an unknown model, and where nothing is chosen.
    """
    meta_model(model)  # a wrong name is refused here
    reference = Cell(model, Part(*REFERENCE), None, rules)
    listed = Candidates(reference, {reference.slug: reference})
    for name in methods.names("sampler"):
        for params in swept(name, listed):
            add(listed, Cell(model, Part(name, params), None, rules))
    for name in methods.names("cache"):
        for sampler, params in cached(name, model, listed):
            add(listed, Cell(model, sampler, Part(name, params), rules))
    chosen = {cell.slug: cell for cell in select(Sweeps(list(listed.cells.values())), only)}
    return Candidates(reference, {reference.slug: reference} | chosen, listed.excluded)


def cached(name: str, model: str, listed: Candidates) -> Iterator[tuple[Part, Params]]:
    """(sampler, parameters of the cache method), by the shipped routers where it is one of those."""
    if "l1" in methods.find(name).parameters:
        cards = shipped(shelf(model, name)).values()
        yield from ((Part(card["sampler"]["name"], card["sampler"]["params"]), {"l1": card["l1"]}) for card in cards)
        return
    settings = swept(name, listed)
    yield from ((Part(*sampler), params) for sampler in CACHED for params in settings)


def swept(name: str, listed: Candidates) -> list[Params]:
    """The settings of one method; none, with the reason noted, where it cannot be built without a file."""
    method = methods.find(name)
    stated = getattr(method, "sweep", None)
    settings = sweep(dict(stated if isinstance(stated, dict) else derived(method)))
    try:
        for params in settings:
            method(**params)
            if not all(isinstance(value, WRITABLE) for value in params.values()):
                raise TypeError("its sweep holds what a suite file cannot say")
    except THEIRS as error:  # a plugin's own constructor
        listed.excluded[name] = " ".join(str(error).split())
        return []
    return settings


def derived(method: type[Method]) -> dict[str, list[Any]]:
    """A sweep of what trades speed for fidelity, within the declared range; {} for the defaults alone."""
    for key, values in (("steps", STEPS), ("interval", INTERVALS)):
        if method.kind == ("sampler" if key == "steps" else "cache") and key in method.parameters:
            declared = method.parameters[key]
            return {key: [value for value in values if declared.low <= value <= declared.high]}
    threshold = method.parameters.get("threshold") if method.kind == "cache" else None
    if threshold is None or not isinstance(threshold.default, float):
        return {}
    around = [factor * threshold.default for factor in FACTORS]
    return {"threshold": [value for value in around if threshold.low <= value <= threshold.high]}


def add(listed: Candidates, cell: Cell) -> None:
    """A setting that makes no more evaluations than the reference; others cannot be faster."""
    try:
        schedule = meta_model(cell.model).noise_schedule
        counts = [len(c.sampler.method.evaluations(schedule)) for c in (cell, listed.reference)]
    except THEIRS as error:  # somebody else's sampler
        listed.excluded[cell.slug] = " ".join(str(error).split())
        return
    if counts[0] <= counts[1]:
        listed.cells.setdefault(cell.slug, cell)
