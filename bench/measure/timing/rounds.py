"""Paired, interleaved timing of a method, its baseline and the run's reference. docs/protocol.md states the rules."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.measure.timing.machine_load import Machine, interfered
from bench.measure.timing.stopwatch import Clock, Lap, Stopwatch, quiet_interpreter, stopwatch
from bench.measure.timing.telemetry import Recorder
from bench.statistics.medians import median_interval, ratio_interval

MAX_WARMUP = 10  # rounds
WARMUP_GAIN = 0.05  # a call that became faster by more than this fraction is still warming up
WARMUP_SHARE = 0.25  # of `seconds`: past it, two rounds of warm-up are enough

METHOD, BASELINE, REPEAT, REFERENCE = "method", "baseline", "baseline_again", "reference"
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
    reference: Call | None = None,
    budget: Budget | None = None,
    device: str = "cpu",
    threads: int = 1,
    clock: Clock = time.perf_counter_ns,
    machine: Machine | None = None,
    recorder: Recorder | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Any]:
    """Time `method` against `baseline`; each call runs one batch's whole trajectory on `device`.

    `baseline` None says that the method is its own baseline (an uncached sampler): it runs twice a round and
    its speed-up is None. `reference` is one call that many cells share, so that they can be compared without the
    drift between them. Every round runs the calls, the baseline twice, in an order drawn from `rng` (seeded by
    default). `recorder` is the telemetry of the device, already at work. Returns the cell's `timing`
    (docs/results-schema.md): raw times in ns, intervals in ms. Whatever a call raises comes through, with the
    collector and the threads restored.
    """
    budget, machine = budget or Budget(), machine or Machine()
    rng = np.random.default_rng(0) if rng is None else rng
    calls = {METHOD: method, BASELINE: baseline, REPEAT: baseline} if baseline else {METHOD: method, REPEAT: method}
    calls |= {REFERENCE: reference} if reference else {}
    watch = stopwatch(device, clock)
    with quiet_interpreter(threads):
        warmup = _warm_up(calls, watch, budget.seconds)
        rounds: list[Round] = []
        start = clock()
        while not budget.is_spent(len(rounds), clock() - start):
            order = [list(calls)[i] for i in rng.permutation(len(calls))]
            rounds.append(_run_round(calls, order, watch, machine, recorder))
    return {"threads": threads, "clock": "cuda" if device.startswith("cuda") else "host", **warmup, **summary(rounds)}


def _warm_up(calls: dict[str, Call], watch: Stopwatch, seconds: float) -> dict[str, Any]:
    """Run the calls until none of them becomes faster any more; bounded in rounds and in time."""
    timings: list[list[int]] = []
    distinct = [calls[name] for name in (METHOD, BASELINE, REFERENCE) if name in calls]
    stable = False
    while not stable and len(timings) < MAX_WARMUP:
        spent = sum(map(sum, timings))
        if len(timings) >= 2 and spent > WARMUP_SHARE * seconds * 1e9:
            break
        timings.append([watch.time(call).wall_ns for call in distinct])
        stable = len(timings) >= 2 and _settled(timings)
    return {"warmup_rounds": len(timings), "warmup_stable": stable}


def _settled(timings: list[list[int]]) -> bool:
    """Whether no call's last time is far below its best before: noise goes both ways, warming up only down."""
    *earlier, last = timings
    return all(
        ns >= (1 - WARMUP_GAIN) * min(before) for ns, before in zip(last, zip(*earlier, strict=True), strict=True)
    )


def _run_round(
    calls: dict[str, Call], order: list[str], watch: Stopwatch, machine: Machine, recorder: Recorder | None
) -> Round:
    """Run the calls once each in `order` and keep everything that was seen."""
    record: Round = {"order": order}
    process: dict[str, int] = {}
    laps: dict[str, Lap] = {}
    load, first, begin = machine.load(), machine.usage(), time.perf_counter_ns()
    for name in order:
        before = machine.usage()
        laps[name] = watch.time(calls[name])
        process[name] = machine.usage().process_ns - before.process_ns
    record |= {name: lap.wall_ns for name, lap in laps.items()}
    flag = interfered(first, machine.usage(), sum(lap.wall_ns for lap in laps.values()), computes=watch.computes)
    record |= {"process_ns": process, "load": load, "interfered": flag}
    if not watch.computes:
        record["device_ns"] = {name: lap.device_ns for name, lap in laps.items()}
        record["enqueue_ns"] = {name: lap.enqueue_ns for name, lap in laps.items()}
    if recorder is not None:
        record["gpu"] = recorder.summary(begin, time.perf_counter_ns())
    return record


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
        "reference_ms": _milliseconds(wall[REFERENCE]) if REFERENCE in wall else None,
        "speedup_reference": ratio_interval(wall[REFERENCE], wall[METHOD]) if REFERENCE in wall else None,
    }
    return result | (_device_summary(rounds) if "device_ns" in rounds[0] else {})


def _device_summary(rounds: list[Round]) -> dict[str, Any]:
    """What a device shows besides wall time; rounds without a telemetry reading count as not throttled."""
    return {
        "device_ms": _milliseconds([r["device_ns"][METHOD] for r in rounds]),
        "enqueue_ms": _milliseconds([r["enqueue_ns"][METHOD] for r in rounds]),
        "throttled_rounds": sum(bool((r.get("gpu") or {}).get("throttled")) for r in rounds),
    }


def _process_speedup(rounds: list[Round]) -> dict[str, float] | None:
    """The ratio of processor times, which a process that was kept waiting still measures; None on a device."""
    if "device_ns" in rounds[0] or any(r["process_ns"][METHOD] <= 0 for r in rounds):
        return None
    return ratio_interval(*([r["process_ns"][name] for r in rounds] for name in (BASELINE, METHOD)))


def _milliseconds(nanoseconds: list[int]) -> dict[str, float]:
    return median_interval([ns / 1e6 for ns in nanoseconds])
