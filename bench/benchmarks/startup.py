"""How long commands take to start: this checkout against another commit, run in turns in a new process each.

`python -m bench.benchmarks.startup [REF] [OUT]` writes results/benchmarks/startup.json. Processor time is the user's
share of the child process, which a busy machine changes little; the wall clock's is what a person waits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.host.environment import environment
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.judge.gate.duel import checkout
from bench.statistics.medians import median_interval, ratio_interval

BASE = "9f1dfe3"  # the last commit before start-up was looked at
COMMANDS = (("--help",), ("list",))
ROUNDS = 15
OUT = Path("results/benchmarks/startup.json")
HERE, THERE = "this checkout", "base"


def run(base: Path, rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds of every command in both checkouts, and how many times as long as this one the base takes."""
    return {" ".join(words): compare(words, {HERE: REPOSITORY, THERE: base}, rounds) for words in COMMANDS}


def compare(words: tuple[str, ...], trees: dict[str, Path], rounds: int) -> dict[str, Any]:
    """One command in both trees, once a round in an order drawn anew, after one round that fills the disk cache."""
    rng = np.random.default_rng(0)
    spent: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in trees} for clock in ("wall", "user")}
    for i in range(rounds + 1):
        for name in rng.permutation(list(trees)):
            seconds = start(trees[name], words)
            for clock, value in seconds.items() if i else ():
                spent[clock][name].append(value)
    return {
        clock: {
            "seconds": {name: median_interval(series) for name, series in by_name.items()},
            "ratio": ratio_interval(by_name[THERE], by_name[HERE]),
        }
        for clock, by_name in spent.items()
    }


def start(tree: Path, words: tuple[str, ...]) -> dict[str, float]:
    """Wall and user seconds of one `ditbench` process that runs a checkout's code."""
    variables = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    before = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *words], cwd=tree, env=variables, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"ditbench {' '.join(words)} ended with {process.returncode} in {tree}")
    return {"wall": time.perf_counter() - before, "user": usage.ru_utime}


def main(arguments: list[str]) -> None:
    base = arguments[0] if arguments else BASE
    with checkout(base) as tree:
        times = run(tree)
    out = Path(arguments[1]) if len(arguments) > 1 else OUT
    write_json(
        out, {"benchmark": "startup", "base": base, "rounds": ROUNDS, "commands": times, "environment": environment()}
    )


if __name__ == "__main__":
    main(sys.argv[1:])
