"""Paired, interleaved timing of a method and its baseline. docs/protocol.md states the rules."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.machine_load import Machine, interfered
from bench.statistics import median_interval, ratio_interval
from bench.stopwatch import Clock, Stopwatch, quiet_interpreter, stopwatch

WARMUP_MOST = 10  # rounds
WARMUP_AGREEMENT = 0.05  # the last two timings of every call differ by at most this fraction
WARMUP_SHARE = 0.25  # of `seconds`: past it, two rounds of warm-up are enough

METHOD, BASELINE, REPEAT = "method", "baseline", "baseline_again"
Call = Callable[[], object]
Round = dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """When a measurement ends: after `seconds`, but never before `fewest` rounds nor after `most`."""

    fewest: int = 5
    most: int = 200
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= self.most:
            raise ValueError(f"rounds must satisfy 1 <= fewest <= most, got {self.fewest} and {self.most}")

    def is_spent(self, rounds: int, nanoseconds: int) -> bool:
        """Whether to stop after `rounds` rounds that took `nanoseconds` together."""
        return rounds >= self.most or (rounds >= self.fewest and nanoseconds >= self.seconds * 1e9)


def measure_pair(
    method: Call,
    baseline: Call | None,
    *,
    budget: Budget | None = None,
    device: str = "cpu",
    threads: int = 1,
    clock: Clock = time.perf_counter_ns,
    machine: Machine | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Any]:
    """Time `method` against `baseline`; each call runs one batch's whole trajectory on `device`.

    `baseline` None says that the method is its own baseline (an uncached sampler): it runs twice a round and
    its speed-up is None. Every round runs the calls, the baseline twice, in an order drawn from `rng`
    (seeded by default). Returns the cell's `timing` (docs/results-schema.md): raw times in ns, intervals in ms.
    Whatever a call raises comes through, with the collector and the threads restored.
    """
    budget, machine = budget or Budget(), machine or Machine()
    rng = np.random.default_rng(0) if rng is None else rng
    calls = {METHOD: method, BASELINE: baseline, REPEAT: baseline} if baseline else {METHOD: method, REPEAT: method}
    watch = stopwatch(device, clock)
    with quiet_interpreter(threads):
        warmup = _warm_up(calls, watch, budget.seconds)
        rounds: list[Round] = []
        start = clock()
        while not budget.is_spent(len(rounds), clock() - start):
            order = [list(calls)[i] for i in rng.permutation(len(calls))]
            rounds.append(_run_round(calls, order, watch, machine))
    return {"threads": threads, "clock": "cuda" if device.startswith("cuda") else "host", **warmup, **summary(rounds)}


def _warm_up(calls: dict[str, Call], watch: Stopwatch, seconds: float) -> dict[str, Any]:
    """Run the calls until each one's last two timings agree; bounded in rounds and in time."""
    timings: list[list[int]] = []
    distinct = [calls[name] for name in (METHOD, BASELINE) if name in calls]
    stable = False
    while not stable and len(timings) < WARMUP_MOST:
        spent = sum(map(sum, timings))
        if len(timings) >= 2 and spent > WARMUP_SHARE * seconds * 1e9:
            break
        timings.append([watch.time(call)[0] for call in distinct])
        stable = len(timings) >= 2 and _agree(timings[-2], timings[-1])
    return {"warmup_rounds": len(timings), "warmup_stable": stable}


def _agree(earlier: list[int], later: list[int]) -> bool:
    return all(abs(a - b) <= WARMUP_AGREEMENT * min(a, b) for a, b in zip(earlier, later, strict=True))


def _run_round(calls: dict[str, Call], order: list[str], watch: Stopwatch, machine: Machine) -> Round:
    """Run the calls once each in `order` and keep everything that was seen."""
    record: Round = {"order": order}
    process: dict[str, int] = {}
    events: dict[str, int] = {}
    load, first = machine.load(), machine.usage()
    for name in order:
        before = machine.usage()
        record[name], device_ns = watch.time(calls[name])
        process[name] = machine.usage().process_ns - before.process_ns
        if device_ns is not None:
            events[name] = device_ns
    wall = sum(record[name] for name in order)
    flag = interfered(first, machine.usage(), wall, computes=watch.computes)
    record |= {"process_ns": process, "load": load, "interfered": flag}
    return record | {"device_ns": events} if events else record


def summary(rounds: list[Round]) -> dict[str, Any]:
    """Intervals from the raw rounds; nothing that a round says is dropped, disturbed rounds included."""
    wall = {name: [r[name] for r in rounds] for name in rounds[0]["order"]}
    has_baseline = BASELINE in wall
    compared = wall[BASELINE] if has_baseline else wall[METHOD]
    result: dict[str, Any] = {
        "rounds": rounds,
        "interfered_rounds": sum(r["interfered"] for r in rounds),
        "latency_ms": _milliseconds(wall[METHOD]),
        "baseline_ms": _milliseconds(wall[BASELINE]) if has_baseline else None,
        "speedup": ratio_interval(wall[BASELINE], wall[METHOD]) if has_baseline else None,
        "resolution": ratio_interval(wall[REPEAT], compared),
        "speedup_process": _process_speedup(rounds) if has_baseline else None,
    }
    if "device_ns" in rounds[0]:
        result["device_ms"] = _milliseconds([r["device_ns"][METHOD] for r in rounds])
    return result


def _process_speedup(rounds: list[Round]) -> dict[str, float] | None:
    """The ratio of processor times, which a process that was kept waiting still measures; None on a device."""
    if "device_ns" in rounds[0] or any(r["process_ns"][METHOD] <= 0 for r in rounds):
        return None
    return ratio_interval(*([r["process_ns"][name] for r in rounds] for name in (BASELINE, METHOD)))


def _milliseconds(nanoseconds: list[int]) -> dict[str, float]:
    return median_interval([ns / 1e6 for ns in nanoseconds])
