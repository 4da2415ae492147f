"""The site at 2,000 cells: what building it costs by stage, how large its pages are, how soon a page answers a reader.

`python -m bench.benchmarks.site_scale [OUT]` writes results/benchmarks/site_scale.json. The cells are synthetic: those
of results/small-full again and again with other settings, and latencies and distances moved at random. One run has 400
settings of each model to rank against each other; three more are of five pairs of models, each on a machine of its own.
With selenium and Chromium, the longest page is sorted and filtered by real clicks and keys: the time is that from the
event to the second animation frame after it, by which everything that it changed has been drawn.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.benchmarks.page_response import response
from bench.benchmarks.synthetic_store import SOURCE, varied
from bench.host.environment import environment
from bench.host.files import write_json
from bench.judge.ranking import ranked
from bench.show.site import write_site
from bench.store.results import read_results, read_whole
from bench.store.stored_cell import StoredCell, altered

OUT = Path("results/benchmarks/site_scale.json")
SWEEP, MACHINES, PAIRS = 10, 3, 5  # copies in the one large run; runs on other machines, and copies in each


def run(folder: Path) -> dict[str, Any]:
    """Build the site below `folder` once and measure it."""
    directories = list(write_runs(folder / "runs"))
    seconds: dict[str, float] = {}
    results = timed(seconds, "read", lambda: [read_results(directory) for directory in directories])
    timed(seconds, "rank", lambda: [ranked(read.cells) for read in results])
    index = timed(seconds, "whole site", lambda: write_site(directories, folder / "site"))
    timed(seconds, "whole site with figures", lambda: write_site(directories, folder / "figures", figures=True))
    return {
        "benchmark": "site_scale",
        "cells": sum(len(read.cells) for read in results),
        "process_seconds": seconds,
        "bytes": sizes(folder / "site"),
        "response": response(index.parent / "suite" / "sweep.html"),
        "environment": environment(),
    }


def timed(seconds: dict[str, float], stage: str, call: Callable[[], Any]) -> Any:
    """What `call` returns; its processor time is noted."""
    started = time.process_time()
    value = call()
    seconds[stage] = time.process_time() - started
    print(f"{stage}: {seconds[stage]:.1f} s", file=sys.stderr, flush=True)
    return value


def sizes(site: Path) -> dict[str, Any]:
    """Bytes of all files, of each kind of page together, and of the largest page of each kind."""
    pages: dict[str, list[int]] = {}
    for path in sorted(site.rglob("*.html")):
        pages.setdefault(path.relative_to(site).parts[0].removesuffix(".html"), []).append(path.stat().st_size)
    kinds = {kind: {"pages": len(own), "together": sum(own), "largest": max(own)} for kind, own in pages.items()}
    return {"all": sum(p.stat().st_size for p in site.rglob("*") if p.is_file()), **kinds}


def write_runs(folder: Path) -> Iterator[Path]:
    """The result directories of the synthetic cells, one after another."""
    cells = read_whole(SOURCE).cells
    rng = np.random.default_rng(0)
    yield _write(folder / "sweep", [varied(cell, i, rng) for i in range(SWEEP) for cell in cells])
    for machine in range(MACHINES):
        made = [varied(cell, 1, rng) for _ in range(PAIRS) for cell in cells]
        cpu = {"environment.cpu": f"Synthetic CPU {machine + 1}"}
        moved = [altered(cell, cpu | {"model": f"{cell.model}-{i // len(cells) + 1}"}) for i, cell in enumerate(made)]
        yield _write(folder / f"machine-{machine + 1}", moved)


def _write(directory: Path, cells: list[StoredCell]) -> Path:
    for cell in cells:
        write_json(directory / "cells" / cell.model / f"{cell.slug}.json", dict(cell.document))
    title = f"Synthetic cells, {directory.name}"
    write_json(
        directory / "suite.json",
        {"suite": directory.name, "title": title, "cells": [list(cell.name) for cell in cells]},
    )
    return directory


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_json(Path(arguments[0]) if arguments else OUT, run(Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
