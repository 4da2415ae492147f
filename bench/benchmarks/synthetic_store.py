"""Result directories of any size: real cells again and again with other settings, nothing in them contradicting itself.

`python -m bench.benchmarks.synthetic_store CELLS OUT [SOURCE]` writes one. Latencies and distances of the cells of
results/small-full (or SOURCE) are moved by some per cent at random, their rounds and replicates with them, so that what
`ditbench check-results` works out from these is what the cells say. They name no session: none was timed with them.
"""

from __future__ import annotations

import hashlib
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.host.files import write_json
from bench.statistics.jackknife import jackknife, jackknife_groups
from bench.store.parts import Quality, Timing
from bench.store.results import read_whole
from bench.store.stored_cell import StoredCell, altered

SOURCE = Path("results/small-full")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
OF_METHOD = ("latency_ms", "own_ms")  # medians that are the method's own
OVER_METHOD = ("speedup", "speedup_reference", "speedup_own")  # ratios to it


def write_store(directory: Path, count: int, source: Path = SOURCE, seed: int = 0) -> Path:
    """A directory of `count` cells, the source's again and again. The same arguments, the same files."""
    cells = [cell for cell in read_whole(source).cells if cell.is_ok]
    rng, listed = np.random.default_rng(seed), []
    for number in range(count):
        setting, which = divmod(number, len(cells))
        made = varied(cells[which], setting, rng)
        write_json(directory / "cells" / made.model / f"{made.slug}.json", dict(made.document))
        listed.append(list(made.name))
    reference = {model: "ddim-50" for model, _ in listed}
    record = {"suite": "synthetic", "title": f"{count} synthetic cells", "cells": listed, "reference": reference}
    write_json(directory / "suite.json", record)
    return directory


def varied(cell: StoredCell, setting: int, rng: np.random.Generator) -> StoredCell:
    """A copy as if of another setting of the same method; setting 0 is the cell's own, of no session."""
    if not setting:
        return altered(cell, {"timing.session": None})
    kind, params = ("cache", cell.cache.params) if cell.cache else ("sampler", cell.sampler.params)
    finished = FIRST + timedelta(seconds=float(rng.uniform(0, 30 * 86400)))
    name = cell.method
    return altered(cell, {
        "slug": f"{cell.slug}+setting-{setting}",
        "setting": f"{cell.setting}, setting={setting}",
        "method": f"{name.removesuffix(')')}, setting={setting})" if name.endswith(")") else f"{name} no. {setting}",
        "key": hashlib.sha256(f"{cell.key} {setting}".encode()).hexdigest(),
        "finished": finished.isoformat(),
        f"{kind}.params": {**params, "setting": setting},
        **retimed(cell.timing, math.exp(0.1 * rng.normal()), cached=cell.cache is not None),
        **rejudged(cell.quality, math.exp(0.1 * rng.normal()), rng),
    })  # fmt: skip


def retimed(timing: Timing, factor: float, cached: bool) -> dict[str, Any]:
    """Every time of the method `factor` times as long, by its place; of an uncached one also that against itself."""
    own = ("method",) if cached else ("method", "baseline_again")
    moved: dict[str, Any] = {"timing.session": None}
    for name in own:
        times = enumerate(timing.rounds.ns.get(name, ()))
        moved |= {f"timing.rounds.{number}.{name}": round(ns * factor) for number, ns in times if ns}
    for names, power in ((OF_METHOD, 1), (OVER_METHOD, -1)):
        known = {name: interval for name in names if (interval := getattr(timing, name))}
        for name, interval in known.items():
            ends = {end: getattr(interval, end) * factor**power for end in ("median", "low", "high")}
            moved[f"timing.{name}"] = ends
    if timing.throughput:
        moved["timing.throughput"] = timing.throughput / factor
    return moved


def rejudged(quality: Quality, factor: float, rng: np.random.Generator) -> dict[str, Any]:
    """The distance `factor` times as large, its replicates with noise of their own, and what follows, by its place."""
    distance, replicates = quality.numbers["fd"] * factor, np.array(quality.replicates["fd"])
    moved = (replicates * factor + 0.002 * rng.normal(size=len(replicates))).tolist()
    groups = jackknife_groups(quality.samples or 0, count=quality.jackknife_groups or len(moved))
    found = jackknife(distance, moved, groups)
    stated = {"fd": distance, "fd_jackknife": moved, "fd_se": found.standard_error, "fd_corrected": found.corrected}
    return {f"quality.{name}": value for name, value in stated.items()}


if __name__ == "__main__":
    write_store(Path(sys.argv[2]), int(sys.argv[1]), Path(sys.argv[3]) if sys.argv[3:] else SOURCE)
