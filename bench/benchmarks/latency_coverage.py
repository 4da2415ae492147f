"""How often the bootstrap interval of a median of few rounds holds the true median, in simulations.

`nice python -m bench.benchmarks.latency_coverage [OUT]` writes results/benchmarks/latency_coverage.json; a minute or
two on one core. Rounds are independent: normal, as on a quiet machine, or log-normal with σ = 1, skewed with a heavy
tail, as where others disturb. Real rounds drift as well, which this leaves out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.benchmarks.jackknife_coverage import share
from bench.host.environment import environment
from bench.host.files import write_json
from bench.statistics.medians import CONFIDENCE, median_interval

ROUNDS = (5, 6, 7, 8, 9, 10, 13, 15, 20, 30)
REPEATS = 500
OUT = Path("results/benchmarks/latency_coverage.json")

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
MODELS: dict[str, tuple[Draw, float]] = {  # how rounds are drawn, and their true median
    "normal": (lambda rng, n: rng.normal(100.0, 1.0, n), 100.0),
    "log-normal": (lambda rng, n: rng.lognormal(0.0, 1.0, n), 1.0),
}


def coverage(model: str, rounds: int, repeats: int = REPEATS) -> dict[str, float]:
    """The share of intervals of `rounds` rounds that hold the true median, with its binomial interval."""
    draw, truth = MODELS[model]
    rng = np.random.default_rng([rounds, *model.encode()])
    intervals = (median_interval(draw(rng, rounds), seed=i) for i in range(repeats))
    return share([interval["low"] <= truth <= interval["high"] for interval in intervals])


def run(say: Callable[[str], object], rounds: tuple[int, ...] = ROUNDS, repeats: int = REPEATS) -> dict[str, Any]:
    settings = []
    for i, n in enumerate(rounds):
        say(f"{n} rounds ({i + 1} of {len(rounds)})")
        settings.append({"rounds": n, "coverage": {model: coverage(model, n, repeats) for model in MODELS}})
    return {"study": "latency_coverage", "promised": CONFIDENCE, "repeats": repeats, "settings": settings,
            "environment": environment()}  # fmt: skip


def main(arguments: list[str]) -> None:
    result = run(lambda text: print(text, file=sys.stderr, flush=True))
    write_json(Path(arguments[0]) if arguments else OUT, result)


if __name__ == "__main__":
    main(sys.argv[1:])
