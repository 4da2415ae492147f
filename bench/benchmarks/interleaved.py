"""Several calls timed in one run, in an order drawn anew each round, so that a machine's drift meets all alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench.statistics.medians import median_interval, ratio_interval

CLOCKS = {"wall": time.perf_counter_ns, "process": time.process_time_ns}
Times = dict[str, dict[str, list[int]]]  # clock -> call -> ns, one a round


def interleave(calls: Mapping[str, Callable[[], object]], rounds: int, seed: int = 0) -> Times:
    """Run every call once to warm up and then once a round; wall and processor time of each, in ns."""
    rng = np.random.default_rng(seed)
    times: Times = {clock: {name: [] for name in calls} for clock in CLOCKS}
    for i in range(rounds + 1):
        for name in rng.permutation(list(calls)):
            started = {clock: read() for clock, read in CLOCKS.items()}
            calls[name]()
            spent = {clock: read() - started[clock] for clock, read in CLOCKS.items()}
            if i:
                for clock in CLOCKS:
                    times[clock][name].append(spent[clock])
        print(f"round {i}/{rounds}" if i else "warm-up", file=sys.stderr, flush=True)
    return times


def summary(times: Times, ours: str) -> dict[str, Any]:
    """Per clock: seconds of every call, and how many times as long as `ours` the others take, with 95 % intervals."""
    return {
        clock: {
            "seconds": {name: median_interval([ns / 1e9 for ns in series]) for name, series in by_name.items()},
            "ratio": {name: ratio_interval(by_name[name], by_name[ours]) for name in by_name if name != ours},
        }
        for clock, by_name in times.items()
    }
