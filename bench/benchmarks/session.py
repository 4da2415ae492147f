"""Wall time of a suite's run, and how well it knows ratios of latencies: this checkout against another, in turns.

`python -m bench.benchmarks.session BASE [--suite small] [--runs 3] [--out FILE]` runs `ditbench run SUITE` from nothing
with the code in the checkout BASE and with this one, alternately. Every run is written at once, and runs that FILE
already has are not made again: so they can be made one at a time, when nothing else runs. Half-widths are of 95 %
intervals of all pairwise ratios, on the log scale: from a session's rounds where there is one; else as cells of one
chain to the reference state them (bench/judge/latency.py). Memory is that of the largest process, as the kernel counts
it. Verdicts are by this checkout's rule. Machines differ by their load, so that is recorded with every run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.host.environment import environment, load
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.judge.decided import decisions
from bench.judge.latency import latencies
from bench.statistics.interval import Z95
from bench.statistics.medians import half_width
from bench.store.results import read_results
from bench.store.sessions import Session, read_sessions
from bench.store.stored_cell import StoredCell

OUT = REPOSITORY / "results" / "benchmarks" / "session.json"


def run(tree: Path, suite: str) -> dict[str, Any]:
    """One run from nothing with a checkout's code, and what it knows. Raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        before, started = load(), time.monotonic()
        line = [sys.executable, "-m", "bench", "run", suite, "--out", folder]
        environ = {**os.environ, "PYTHONPATH": str(tree)}
        process = subprocess.Popen(line, cwd=tree, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)  # the usage is that of the largest of it and its descendants
        seconds = time.monotonic() - started
        if code := os.waitstatus_to_exitcode(status):
            raise subprocess.CalledProcessError(code, line)
        took = {"seconds": round(seconds, 1), "memory_mb": round(usage.ru_maxrss / 1024, 1)}
        return {**took, "load_before": before, "load_after": load(), **known(Path(folder))}


def known(directory: Path) -> dict[str, Any]:
    """Protocol, median and 90th percentile of the pairwise half-widths, A/A, rounds, cells whose verdict is decided."""
    results = read_results(directory)
    sessions = read_sessions(directory)
    widths: list[float] = []
    for model in results.models:
        cells = [cell for cell in results.cells if cell.model == model and cell.is_timed]
        own = [session for session in sessions if session.model == model]
        widths += of_session(own[0], cells) if own else of_chain(cells)
    return {
        "protocol": results.cells[0].protocol,
        "pairs": len(widths),
        "half_width_median": median(widths),
        "half_width_90": float(np.percentile(widths, 90)),
        "aa": median(half_width(asdict(cell.timing.resolution)) for cell in results.cells if cell.timing.resolution),
        "rounds": sorted({len(cell.timing.rounds) for cell in results.cells}),
        "settings": len(results.cells),
        "decided": sum(decision.decided for _, decision in decisions(results)),
    }


def of_session(session: Session, cells: list[StoredCell]) -> list[float]:
    pairs, spread = combinations([cell.slug for cell in cells], 2), session.spread()
    ratios = [session.ratio(above, below, spread) for above, below in pairs]
    return [math.log(ratio["high"] / ratio["low"]) / 2 for ratio in ratios]


def of_chain(cells: list[StoredCell]) -> list[float]:
    return [Z95 * math.hypot(a.error, b.error) for a, b in combinations(latencies(cells), 2)]


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """This checkout's medians over those of the base."""
    keys = ("seconds", "memory_mb", "half_width_median", "half_width_90")
    middle = {side: {key: median(times[key] for times in runs[side]) for key in keys} for side in runs}
    return {f"{key}_ratio": round(middle["head"][key] / middle["base"][key], 3) for key in keys}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("--suite", default="small")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args(arguments)
    trees = {"base": chosen.base.resolve(), "head": REPOSITORY}
    report = _begun(chosen.out) or {"suite": chosen.suite, "runs": {side: [] for side in trees}}
    runs = report["runs"]
    for number in range(chosen.runs):
        for side in list(trees)[:: 1 if number % 2 else -1]:
            if len(runs[side]) <= number:
                runs[side].append(run(trees[side], chosen.suite))
                print(side, runs[side][-1], file=sys.stderr, flush=True)
                write_json(chosen.out, report | {"environment": environment()})
    write_json(chosen.out, report | summary(runs) | {"environment": environment()})
    print(summary(runs))


def _begun(out: Path) -> dict[str, Any] | None:
    return json.loads(out.read_text()) if out.is_file() else None


if __name__ == "__main__":
    main(sys.argv[1:])
