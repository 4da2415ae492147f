"""One suite started in several ways: whether samples, fingerprints and metrics are the same.

`nice python -m bench.benchmarks.launchers SUITE PLACE… [--only EXPR] [--out FILE]` runs the suite on each PLACE, as
`--on` takes it, and holds the others against the first; `torchrun:N` makes the samples by `ditbench sample` under
torchrun with N processes, and measures them on local:1. Prints a line a place; writes
results/benchmarks/launchers.json.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.benchmarks.same_results import cells, deterministic, differences
from bench.host.environment import environment
from bench.host.files import write_json
from bench.host.places import REPOSITORY

OUT = REPOSITORY / "results" / "benchmarks" / "launchers.json"


def main(*words: str) -> int:
    options: dict[str, str] = {name: words[words.index(name) + 1] for name in ("--only", "--out") if name in words}
    suite, *places = (word for word in words if word not in options and word not in options.values())
    only = ["--only", options["--only"]] if "--only" in options else []
    with tempfile.TemporaryDirectory() as folder:
        seconds = {place: run([suite, *only], place, Path(folder) / place) for place in places}
        found = {place: beside(Path(folder) / places[0], Path(folder) / place) for place in places}
    rows = {place: {"seconds": seconds[place], **row} for place, row in found.items()}
    for place, row in rows.items():
        print(f"{place}: {row}", flush=True)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    said = {"benchmark": "launchers", "suite": suite, **options, "places": rows, "environment": environment()}
    write_json(Path(options.get("--out", OUT)), {**said, "finished": finished})
    return 1 if any(row["different"] for row in rows.values()) else 0


def run(words: list[str], place: str, out: Path) -> float:
    """Wall seconds of the suite there."""
    started = time.monotonic()
    name, _, count = place.partition(":")
    if name == "torchrun":
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", count, "-m", "bench"]
        call([*launcher, "sample", *words, "--threads", "1", "--out", str(out)])
        place = "local:1"
    call(["bench", "run", *words, "--threads", "1", "--out", str(out), "--on", place])
    print(f"{out.name}: {time.monotonic() - started:.0f} s", flush=True)
    return round(time.monotonic() - started, 1)


def call(words: list[str]) -> None:
    """Run a module. Raises CalledProcessError where it does not end with 0."""
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    settings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-m", *words], check=True, env=settings, stdout=subprocess.DEVNULL)


def beside(first: Path, other: Path) -> dict[str, Any]:
    """What is equal and what is not; `metrics` is the largest relative difference of any number of the quality."""
    ours, theirs = deterministic(first), deterministic(other)
    marks, same = ({name: fingerprint(cell) for name, cell in cells(out).items()} for out in (first, other))
    files = [name for name in ours if name.endswith(".safetensors")]
    return {
        "cells": len(cells(other)),
        "ok": sum(cell["status"] == "ok" for cell in cells(other).values()),
        "files_of_samples": len(files),
        "equal_files": sum(ours[name] == theirs.get(name) for name in files),
        "equal_fingerprints": sum(mark == same.get(name) for name, mark in marks.items() if mark),
        "metrics": max_difference(first, other),
        "different": differences(ours, theirs),
    }


def fingerprint(cell: dict[str, Any]) -> str | None:
    """Of the features of its samples: the extractor, and a SHA-256 of the images."""
    return (cell["quality"] or {}).get("fingerprint")


def max_difference(first: Path, other: Path) -> float:
    numbers = [dict(numbers_of(cells(out))) for out in (first, other)]
    return max(
        (abs(value - numbers[1][name]) / max(abs(value), 1e-12) for name, value in numbers[0].items()), default=0
    )


def numbers_of(stored: dict[str, dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """Every number in the quality of every cell, under its path."""
    for name, cell in stored.items():
        yield from leaves(name, cell["quality"])


def leaves(name: str, value: Any) -> Iterator[tuple[str, float]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in pairs:
        yield from leaves(f"{name}.{key}", below)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, float(value)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
