"""What 8 and 64 workers would gain: a run's own scheduler, on a clock of its own, with the times that cells took.

`python -m bench.benchmarks.scaling [SUITE…]` writes results/benchmarks/scaling.json, by default of SUITES. The seconds
of a cell are those stored in results/SUITE where it was run, all of it but timing; else its samples' MACs at RATE.

Assumed: workers are alike and do not slow each other, as GPUs of their own; every cell takes what it took there; a
worker is up after START and has its next order ANSWER after its last; of a cell the share SAMPLING can be made before
what it is compared with is there. Times are taken alone, on one worker, in the seconds that the suite allows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.benchmarks.simulated_workers import Workers
from bench.cost.dry_run import macs_of
from bench.host.files import write_json
from bench.measure.task import Task
from bench.run import timing_phase
from bench.run.records import largest_first
from bench.run.scheduler import Scheduler
from bench.store.results import read_results
from bench.store.stored_cell import Name
from bench.suite import file as suite_file
from bench.suite.cells import Cell, Settings

OUT = Path("results/benchmarks/scaling.json")
SUITES = ("small-full", "imagenet256-dit-xl-2", "imagenet256-uvit-h-2", "imagenet512-dit-xl-2")
WORKERS = (1, 2, 8, 64)
START, ANSWER = (
    20.0,
    0.2,
)  # seconds; worker and driver look for orders and answers every 0.1 s
SAMPLING = 0.9
DRIVER = 0.05  # processor seconds of the driver a cell: 0.71 s of 14 cells (docs/scale-out.md)
RATE = 5e13  # MACs a second of a worker, where nothing was measured


def main(*names: str) -> None:
    found = [of_suite(name) for name in names or SUITES]
    for suite in found:
        for row in suite["workers"]:
            print(f"{suite['suite']}: {row}")
    assumed = {"start_s": START, "answer_s": ANSWER, "sampling": SAMPLING, "driver_s": DRIVER, "macs_per_s": RATE}
    write_json(OUT, {"benchmark": "scaling", "assumed": assumed, "suites": found})


def of_suite(name: str) -> dict[str, Any]:
    """What a suite takes on one worker, and how many times as fast it is on more."""
    chosen, folder = suite_file.load(name), Path("results") / name
    cells = [cell for cell in chosen.cells if cell.broken is None]
    stored = {c.name: c.seconds for c in read_results(folder).cells if c.seconds} if folder.exists() else {}
    seconds = seconds_of(cells, stored)
    tasks = [Task(c, chosen.references.get(c.model), Settings(), ".", ()) for c in largest_first(cells)]
    timing = sum(timing_phase.seconds(cells).values())
    sampling = {count: sampled_in(tasks, seconds, count) for count in WORKERS}
    return {
        "suite": name, "cells": len(cells), "measured": sum(c in stored for c in seconds), "timing_s": round(timing),
        "longest_cell_s": round(max(seconds.values())),
        "workers": [row(count, sampling, timing, len(cells)) for count in WORKERS],
    }  # fmt: skip


def seconds_of(cells: Sequence[Cell], stored: dict[Name, float]) -> dict[Name, float]:
    """By cell: as stored, else its samples' MACs at RATE; the mean of the others where it has no plan."""
    known = {(c.model, c.slug): stored.get((c.model, c.slug)) or at_rate(c) for c in cells}
    sure = [value for value in known.values() if value]
    return {name: value or sum(sure) / len(sure) for name, value in known.items()}


def at_rate(cell: Cell) -> float:
    return (macs_of(cell) or 0) * cell.protocol.samples / RATE


def sampled_in(tasks: list[Task], seconds: dict[Name, float], count: int) -> float:
    """Seconds until all is sampled and judged."""
    workers = Workers(count, seconds, SAMPLING, ANSWER)
    Scheduler(workers).run(tasks, lambda *_: None, lambda *_: None)
    return START + workers.now


def row(count: int, sampling: dict[int, float], timing: float, cells: int) -> dict[str, Any]:
    fast, whole = ((sampling[1] + alone) / (sampling[count] + alone) for alone in (0.0, timing))
    return {
        "workers": count, "hours": round(sampling[count] / 3600, 2), "times_as_fast": round(fast, 2),
        "of_linear": round(fast / count, 3), "with_timing": round(whole, 2),
        "driver": round(cells * DRIVER / sampling[count], 5),
    }  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
