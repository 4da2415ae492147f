"""What a suite would do, from structure alone: no weights, no device, nothing written. `ditbench run --dry-run`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import models
from bench.cost.device_rates import PUBLISHED_AT, DeviceRates
from bench.cost.mac_conventions import CONVENTIONS, in_conventions
from bench.cost.plan_cost import decides_later, plan_macs
from bench.cost.roofline import ideal_speedup
from bench.cost.suite_cost import Cost, cost_of
from bench.sampling import make_plan
from bench.suite.cells import Cell
from methods.plan import Plan, uncached
from models.denoiser import Denoiser
from models.errors import THEIRS, InputError, in_words

AT_MOST = "≤: decided during sampling; the work is the most there can be"


@dataclass(frozen=True)
class Line:
    """One cell as planned. `reason` says why there is no plan, and every number is then None or empty."""

    model: str
    slug: str
    method: str
    sampler: dict[str, Any]
    cache: dict[str, Any] | None
    reason: str | None = None
    nfe: int | None = None
    branches_computed: int | None = None
    branches: int | None = None
    macs: int | None = None  # of one image, guidance included where the model has it
    macs_ratio: float | None = None
    speedup_ideal: float | None = None  # None for uncached cells, and where a policy decides
    speedup_roofline: dict[str, float] = field(default_factory=dict)  # by timed batch
    conventions: dict[str, int] = field(default_factory=dict)  # by MAC convention, single operations
    decided: bool = False  # by a policy or a library, during sampling: all work is then the most there can be


@cache
def meta_model(name: str) -> Denoiser:
    """A denoiser without weights. Raises InputError for an unknown name."""
    return models.build(name, weights="random", device="meta")


def plan_of(cell: Cell) -> tuple[Denoiser, Plan]:
    """A cell's denoiser, without weights, and its plan. Raises InputError, and whatever a plugin's method raises."""
    if cell.broken:
        raise InputError(cell.broken)
    model = meta_model(cell.model)
    refused = cell.refused(model)
    if refused:
        raise InputError(f"unsupported: {refused}")
    return model, make_plan(model, cell.sampler.method, cell.planned)


def line_of(cell: Cell, device: DeviceRates) -> Line:
    """A cell's plan and its work; a cell that has no plan keeps its place and says why."""
    cache_settings = cell.cache.settings() if cell.cache else None
    line = Line(cell.model, cell.slug, cell.title, cell.sampler.settings(), cache_settings)
    try:
        model, plan = plan_of(cell)
        return replace(line, **numbers(cell, model, plan, device))
    except THEIRS as error:  # a method of a plugin may raise anything
        return replace(line, reason=in_words(error))


def without_plan(cell: Cell) -> str | None:
    """Why a cell has no plan, in one line; None where it has one."""
    try:
        plan_of(cell)
    except THEIRS as error:  # a method of a plugin may raise anything
        return in_words(error)
    return None


def numbers(cell: Cell, model: Denoiser, plan: Plan, device: DeviceRates) -> dict[str, Any]:
    """The fields of a line that a plan decides."""
    guided = models.spec(cell.model).guidance_scale != 1
    macs, baseline = plan_macs(model, plan), plan_macs(model, uncached(len(plan), plan.branches))
    timing = cell.protocol.timing
    decided = by_library(cell) or decides_later(plan)
    known = cell.cache is not None and not decided
    batches = (timing.batch, *timing.more_batches) if known else ()
    return {
        "nfe": len(plan),
        "branches_computed": int(plan.computed.sum()),
        "branches": plan.computed.size,
        "macs": macs * (2 if guided else 1),
        "macs_ratio": macs / baseline,
        "speedup_ideal": baseline / macs if known else None,
        "speedup_roofline": {
            str(b): ideal_speedup(model, plan, b, guided, device.bytes_per_value, device.rates) for b in batches
        },
        "conventions": in_conventions(model, plan),
        "decided": decided,
    }


def by_library(cell: Cell) -> bool:
    """Whether a library decides what to reuse."""
    return cell.cache is not None and cell.planned is None


def macs_of(cell: Cell) -> int | None:
    """MACs of one image, or None where there is no plan. A plugin's code, which may hang, is not run for it."""
    parts = [cell.sampler, cell.cache] if cell.cache else [cell.sampler]
    if cell.broken or by_library(cell) or models.plugin_file(cell.model) or any(part.from_plugin for part in parts):
        return None
    try:
        model, plan = plan_of(cell)
    except InputError:
        return None
    return plan_macs(model, plan) * (2 if models.spec(cell.model).guidance_scale != 1 else 1)


def plan_suite(cells: list[Cell], device: DeviceRates) -> list[Line]:
    return [line_of(cell, device) for cell in cells]


def as_json(name: str, lines: list[Line], cells: list[Cell], device: DeviceRates) -> dict[str, Any]:
    """The whole dry run as one JSON object."""
    cost = total(lines, cells)
    return {
        "suite": name,
        "rates": {"device": device.name, **asdict(device.rates), "bytes_per_value": device.bytes_per_value},
        "conventions": {key: {"unit": c.unit, "meaning": c.meaning} for key, c in CONVENTIONS.items()},
        "cost": {**asdict(cost), "hours_at_these_rates": cost.hours(device.rates.macs_per_s)},
        "cells": [asdict(line) for line in lines],
    }


def total(lines: list[Line], cells: list[Cell]) -> Cost:
    return cost_of([(cell, line.macs) for cell, line in zip(cells, lines, strict=True)])


def as_text(title: str, lines: list[Line], cells: list[Cell], device: DeviceRates) -> str:
    """A table a model, then what the run costs and how to read the columns."""
    out = [title]
    for model in dict.fromkeys(line.model for line in lines):
        chosen = [line for line in lines if line.model == model]
        out += ["", model, *aligned(table(chosen))]
        out += [f"  {line.method}: {line.reason}" for line in chosen if line.reason]
    units = [f"  {name:<12}{c.unit} of {c.meaning}" for name, c in CONVENTIONS.items()]
    if any(line.decided for line in lines):
        units.append(f"{AT_MOST}, its ideal speed-up not known.")
    rates = f"{device.rates.macs_per_s / 1e12:g} TMAC/s and {device.rates.bytes_per_s / 1e12:g} TB/s"
    out += [
        "",
        "MAC columns:",
        *units,
        f"Rooflines: at {rates}, {device.bytes_per_value} bytes a value ({device.name}).",
    ]
    if device.name in PUBLISHED_AT:
        out.append(f"Those are peaks of a data sheet ({PUBLISHED_AT[device.name]}), which nothing sustains.")
    return "\n".join([*out, total(lines, cells).sentence(device.rates.macs_per_s), ""])


def table(lines: list[Line]) -> list[list[str]]:
    """Head and rows; a convention or batch that no line has is left out."""
    conventions = [name for name in CONVENTIONS if any(name in line.conventions for line in lines)]
    batches = list(dict.fromkeys(b for line in lines for b in line.speedup_roofline))
    scale, letter = scale_of(lines)
    heads = [f"{name} {letter}" for name in conventions]
    head = ["method", "NFE", "branches", *heads, "MAC-ideal", *(f"roofline b{b}" for b in batches)]
    rows = [head]
    for line in lines:
        if line.reason:
            rows.append([line.method, *["?"] * (len(head) - 1)])
            continue
        figures = [f"{line.conventions[c] / scale:.2f}" if c in line.conventions else "-" for c in conventions]
        roofline = [f"{line.speedup_roofline[b]:.3f}" if b in line.speedup_roofline else "-" for b in batches]
        ideal = "-" if line.speedup_ideal is None else f"{line.speedup_ideal:.3f}"
        share = f"{'≤' if line.decided else ''}{line.branches_computed}/{line.branches}"
        rows.append([line.method, str(line.nfe), share, *figures, ideal, *roofline])
    return rows


def scale_of(lines: list[Line]) -> tuple[float, str]:
    """The unit of a table's figures: the papers' 10^12, or 10^9 for small models."""
    largest = max((line.macs or 0 for line in lines), default=0)
    return (1e12, "T") if largest >= 1e12 else (1e9, "G")


def aligned(rows: list[list[str]]) -> list[str]:
    """Columns of equal width, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        lines.append("  ".join(["", first[0].ljust(first[1]), *(word.rjust(width) for word, width in others)]))
    return lines
