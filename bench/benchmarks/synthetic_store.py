"""Result directories of any size: real cells again and again with other settings, nothing in them contradicting itself.

`python -m bench.benchmarks.synthetic_store CELLS OUT [SOURCE]` writes one. Latencies and distances of the cells of
results/small-full (or SOURCE) are moved by some per cent at random, their rounds and replicates with them, so that what
`ditbench check-results` works out from these is what the cells say.
"""

from __future__ import annotations

import copy
import hashlib
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.host.files import write_json
from bench.schema.cell import Cell
from bench.schema.upgrade import setting_of
from bench.statistics.jackknife import jackknife, jackknife_groups
from bench.store.results import read_results

SOURCE = Path("results/small-full")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
OF_METHOD = ("latency_ms", "own_ms")  # medians that are the method's own
OVER_METHOD = ("speedup", "speedup_reference", "speedup_own")  # ratios to it


def write_store(directory: Path, count: int, source: Path = SOURCE, seed: int = 0) -> Path:
    """A directory of `count` cells; the first of them are the source's own. The same arguments, the same files."""
    cells = [dict(cell.document) for cell in read_results(source).cells if cell.is_ok]
    rng, listed = np.random.default_rng(seed), []
    for number in range(count):
        setting, which = divmod(number, len(cells))
        made = varied(cells[which], setting, rng) if setting else copy.deepcopy(cells[which])
        write_json(directory / "cells" / made["model"] / f"{made['slug']}.json", made)
        listed.append([made["model"], made["slug"]])
    reference = {model: "ddim-50" for model, _ in listed}
    record = {"suite": "synthetic", "title": f"{count} synthetic cells", "cells": listed, "reference": reference}
    write_json(directory / "suite.json", record)
    return directory


def varied(cell: Cell, setting: int, rng: np.random.Generator) -> Cell:
    """A copy as if of another setting of the same method."""
    made = copy.deepcopy(cell)
    made["slug"] += f"+setting-{setting}"
    made["family"], stated = setting_of(cell)
    made["setting"] = f"{stated}, setting={setting}"
    name = made["method"]
    made["method"] = f"{name.removesuffix(')')}, setting={setting})" if name.endswith(")") else f"{name} no. {setting}"
    made["key"] = hashlib.sha256(f"{made['key']} {setting}".encode()).hexdigest()
    made["finished"] = (FIRST + timedelta(seconds=float(rng.uniform(0, 30 * 86400)))).isoformat()
    part = made["cache"] or made["sampler"]
    part["params"] = part["params"] | {"setting": setting}
    retime(made["timing"], math.exp(0.1 * rng.normal()), cached=made["cache"] is not None)
    rejudge(made["quality"], math.exp(0.1 * rng.normal()), rng)
    return made


def retime(timing: dict[str, Any], factor: float, cached: bool) -> None:
    """Every time of the method `factor` times as long; of an uncached one also the time against itself."""
    own = ("method",) if cached else ("method", "baseline_again")
    for entry in timing["rounds"]:
        entry.update({name: round(entry[name] * factor) for name in own if name in entry})
    for names, power in ((OF_METHOD, 1), (OVER_METHOD, -1)):
        for name in names:
            if timing.get(name):
                timing[name] = {end: value * factor**power for end, value in timing[name].items()}
    if timing.get("throughput"):
        timing["throughput"] /= factor


def rejudge(quality: dict[str, Any], factor: float, rng: np.random.Generator) -> None:
    """The distance `factor` times as large, its replicates with noise of their own, and what follows from these."""
    quality["fd"] *= factor
    noise = 0.002 * rng.normal(size=len(quality["fd_jackknife"]))
    quality["fd_jackknife"] = [value * factor + e for value, e in zip(quality["fd_jackknife"], noise, strict=True)]
    groups = jackknife_groups(quality["samples"], count=quality["jackknife_groups"])
    found = jackknife(quality["fd"], quality["fd_jackknife"], groups)
    quality |= {"fd_se": found.standard_error, "fd_corrected": found.corrected}


if __name__ == "__main__":
    write_store(Path(sys.argv[2]), int(sys.argv[1]), Path(sys.argv[3]) if sys.argv[3:] else SOURCE)
