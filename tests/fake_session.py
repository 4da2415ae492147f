"""A timing session of one process, of calls that a test makes up, and what it says of one of them."""

import time

import numpy as np

from bench.measure.timing import stopwatch
from bench.measure.timing.cell_rounds import cell_rounds, roles, summary
from bench.measure.timing.machine_load import Machine
from bench.measure.timing.rounds import Budget, Rounds


def measure_pair(
    method,
    baseline,
    *,
    reference=None,
    budget=None,
    device="cpu",
    threads=1,
    clock=time.perf_counter_ns,
    machine=None,
    recorder=None,
    rng=None,
):
    """The timing of `method`; `baseline` None says that it is uncached. Those that it is compared with run twice."""
    given = {"m": method, "b": baseline, "r": reference}
    calls = {name: call for name, call in given.items() if call is not None}
    repeated = frozenset("b" if baseline else "m")
    budget = budget or Budget()
    watch = stopwatch.stopwatch(device, clock)
    rounds = Rounds(calls, repeated, watch, machine=machine or Machine(), recorder=recorder, clock=clock)
    with stopwatch.quiet_interpreter(threads):
        warmed = rounds.warm_up(budget.seconds)
        seen = list(rounds.run(budget, np.random.default_rng(0) if rng is None else rng))
    parts = roles("m", "b" if baseline else None, "r" if reference else None, repeated)
    facts = {"threads": threads, "clock": "cuda" if device.startswith("cuda") else "host"}
    return {**facts, **warmed, **summary(cell_rounds(seen, parts))}
