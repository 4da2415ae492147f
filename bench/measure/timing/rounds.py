"""Interleaved timing: every round runs every call once, in an order drawn anew. docs/protocol.md states the rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.measure.timing.machine_load import Machine, interfered
from bench.measure.timing.stopwatch import Clock, Lap, Stopwatch
from bench.measure.timing.telemetry import Recorder

MAX_WARMUP = 10  # rounds
WARMUP_GAIN = 0.05  # a call that became faster by more than this fraction is still warming up
WARMUP_SHARE = 0.25  # of `seconds`: past it, two rounds of warm-up are enough

Call = Callable[[], object]
Round = dict[str, Any]
Failed = Callable[[str, BaseException], None]


@dataclass(frozen=True)
class Budget:
    """When a measurement ends: after `seconds`, but never before `min_rounds` rounds nor after `max_rounds`."""

    min_rounds: int = 5
    max_rounds: int = 200
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 1 <= self.min_rounds <= self.max_rounds:
            raise ValueError(
                f"rounds must satisfy 1 <= min_rounds <= max_rounds, got {self.min_rounds} and {self.max_rounds}"
            )

    def is_spent(self, rounds: int, nanoseconds: int) -> bool:
        """Whether to stop after `rounds` rounds that took `nanoseconds` together."""
        return rounds >= self.max_rounds or (rounds >= self.min_rounds and nanoseconds >= self.seconds * 1e9)


def again(name: str) -> str:
    """What the second run of a call in a round is named: the two are the A/A pair."""
    return f"{name} again"


def raises(name: str, error: BaseException) -> None:
    raise error


@dataclass
class Rounds:
    """Runs `calls`, those named in `repeated` twice a round. A call that raises is handed to `failed` and left out.

    `begins` hears of every call before it runs, so that whoever watches knows which one hangs. `recorder` is the
    telemetry of the device, already at work.
    """

    calls: dict[str, Call]
    repeated: frozenset[str]
    watch: Stopwatch
    machine: Machine = field(default_factory=Machine)
    recorder: Recorder | None = None
    clock: Clock = time.perf_counter_ns
    failed: Failed = raises
    begins: Callable[[str | None], None] = lambda name: None

    def warm_up(self, seconds: float) -> dict[str, Any]:
        """Run every call until it becomes faster no more; bounded in rounds and in time.

        At least two rounds, then only the calls that still became faster: noise goes both ways, warming up only down.
        """
        best: dict[str, int] = {}
        unsettled, spent, rounds = list(self.calls), 0, 0
        while unsettled and rounds < MAX_WARMUP and not (rounds >= 2 and spent > WARMUP_SHARE * seconds * 1e9):
            laps = {name: lap.wall_ns for name in unsettled if (lap := self.lap(name))}
            rounds, spent = rounds + 1, spent + sum(laps.values())
            unsettled = [n for n, ns in laps.items() if rounds < 2 or ns < (1 - WARMUP_GAIN) * best[n]]
            for name, ns in laps.items():
                best[name] = min(ns, best.get(name, ns))
        return {"warmup_rounds": rounds, "warmup_stable": not unsettled}

    def run(self, budget: Budget, rng: np.random.Generator) -> Iterator[Round]:
        """One round after another, everything kept that was seen in it, until the budget is spent."""
        start, count = self.clock(), 0
        while self.calls and not budget.is_spent(count, self.clock() - start):
            names = [*self.calls, *(again(name) for name in self.calls if name in self.repeated)]
            yield self.round([names[i] for i in rng.permutation(len(names))])
            count += 1

    def round(self, order: list[str]) -> Round:
        """Run the calls in `order`; times by name in ns. A call that raised is not in it."""
        laps: dict[str, Lap] = {}
        process: dict[str, int] = {}
        load, first, begin = self.machine.load(), self.machine.usage(), time.perf_counter_ns()
        for name in order:
            before = self.machine.usage()
            if lap := self.lap(name):
                laps[name] = lap
                process[name] = self.machine.usage().process_ns - before.process_ns
        wall = {name: lap.wall_ns for name, lap in laps.items()}
        disturbed = interfered(first, self.machine.usage(), sum(wall.values()), computes=self.watch.computes)
        record: Round = {
            "order": list(laps),
            "wall_ns": wall,
            "process_ns": process,
            "load": load,
            "interfered": disturbed,
        }
        if not self.watch.computes:
            record["device_ns"] = {name: lap.device_ns for name, lap in laps.items()}
            record["enqueue_ns"] = {name: lap.enqueue_ns for name, lap in laps.items()}
        if self.recorder is not None:
            record["gpu"] = self.recorder.summary(begin, time.perf_counter_ns())
        return record

    def lap(self, name: str) -> Lap | None:
        """One timed call; None where it raised or was left out before."""
        who = name.removesuffix(again(""))
        if who not in self.calls:
            return None
        self.begins(who)
        try:
            return self.watch.time(self.calls[who])
        except BaseException as error:  # a method may raise anything
            self.failed(who, error)
            self.calls.pop(who, None)
            return None
