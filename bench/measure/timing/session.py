"""One process of a timing session: every setting of one model and batch side by side, rounds written as they come."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from bench.host.environment import environment
from bench.measure.task import Reporter, SessionOrder
from bench.measure.timing import telemetry
from bench.measure.timing.affinity import pinned
from bench.measure.timing.lineup import Lineup
from bench.measure.timing.machine_rates import copies, decode_times, products
from bench.measure.timing.rounds import Budget, Call, Rounds
from bench.measure.timing.stopwatch import quiet_interpreter, stopwatch
from bench.store.sessions import PROCESSES, Session

MIN_ROUNDS = 3  # of a process, however slow its trajectories are; a suite may ask for fewer
WRITE_SECONDS = 1.0  # between writes of the file: what a killed run may lose
ENERGY_SECONDS = 10.0  # least window of the energy counter


class SessionProcess:
    """Adds this process's rounds to a session."""

    def __init__(self, order: SessionOrder, session: Session, lineup: Lineup, reporter: Reporter) -> None:
        self.order, self.session, self.lineup, self.reporter = order, session, lineup, reporter
        task = lineup.first
        self.task, self.rules, self.device = task, task.cell.protocol.timing, task.settings.device
        self.batch = session.batch
        self.watch, self.gpu = stopwatch(self.device), telemetry.find(self.device)
        self.written = time.monotonic()
        self.is_last = session.processes_done + 1 >= PROCESSES

    def measure(self) -> None:
        """Warm-up and rounds between two looks at the machine. Raises OutputError."""
        facts: dict[str, Any] = {}
        self.number = self.session.begin_process(facts)
        seed = [int(self.session.id.rpartition("-")[2], 16), self.number]
        facts |= {"seed": seed, "environment": environment(self.device)}
        threads = self.task.settings.threads
        with pinned(threads, self.device) as cores, telemetry.recording(self.gpu) as recorder:
            first = products(self.task, self.watch)
            rates = {**first, **copies(self.task, self.watch), "gemm_before": first["gemm_macs_per_s"]}
            calls = self.lineup.calls(self.batch)
            with quiet_interpreter(threads):
                facts |= {"threads": threads, "cores": cores, **self.run(calls, recorder, seed)}
            if self.order.headline:
                facts |= self.apart(calls)
            last = products(self.task, self.watch)["gemm_macs_per_s"]
        rates |= {"gemm_after": last, "gemm_macs_per_s": max(last, rates["gemm_before"])}
        facts |= {"ceilings": rates, "others": 0 if self.gpu is None else self.gpu.others(), "done": True}
        self.session.write()

    def run(self, calls: dict[str, Call], recorder: telemetry.Recorder | None, seed: list[int]) -> dict[str, Any]:
        """Warm up, then rounds until this process's share is used up."""
        rounds = Rounds(
            calls,
            self.session.repeated,
            self.watch,
            recorder=recorder,
            failed=self.lineup.failed,
            begins=self.reporter.begins,
        )
        self.say(0.0)
        start, (min_rounds, max_rounds, seconds) = time.monotonic(), self.share()
        warmed = rounds.warm_up(seconds)
        budget = Budget(min_rounds, max_rounds, max(0.0, seconds - (time.monotonic() - start)))
        for count, record in enumerate(rounds.run(budget, np.random.default_rng(seed)), start=1):
            self.session.add_round(self.number, record)
            passed = time.monotonic() - start
            self.say(min(count / min_rounds, max(count / max_rounds, passed / max(passed, seconds))))
            self.write_now_and_then()
        return warmed | {"seconds": round(time.monotonic() - start, 3)}

    def share(self) -> tuple[int, int, float]:
        """Fewest and most rounds, and seconds, that are left to this process of what a session has.

        Rounds of a process that broke off since the last whole one are taken from its successor's share.
        """
        whole = [number for number, process in enumerate(self.session.timed_processes) if process.done]
        broken = [r for r in self.session.rounds if r["process"] > max(whole, default=-1)]
        max_rounds = math.ceil(self.rules.rounds / PROCESSES)
        min_rounds = min(MIN_ROUNDS, max_rounds)
        spent = sum(sum(r["wall_ns"].values()) for r in broken) / 1e9
        seconds = self.rules.seconds * len(self.session.settings) / PROCESSES
        return min_rounds, max(min_rounds, max_rounds - len(broken)), max(0.0, seconds - spent)

    def apart(self, calls: dict[str, Call]) -> dict[str, Any]:
        """What is measured beside the rounds: decoding, and in the last process the energy of every setting."""
        self.reporter.begins(None)
        measurements: dict[str, Any] = {"decode_ms": decode_times(self.task, self.lineup.model, self.watch)}
        if self.gpu is None or not self.is_last:
            return measurements
        return measurements | {
            "energy_j": {slug: self.energy(slug, calls[slug]) for slug in self.order.work if slug in calls}
        }

    def energy(self, slug: str, call: Call) -> float | None:
        """Joules for one image; None where the GPU does not count them."""
        assert self.gpu is not None
        self.reporter.begins(slug)
        try:
            return telemetry.joules_per_call(self.gpu, lambda: self.watch.time(call), ENERGY_SECONDS) / self.batch
        except self.gpu.nvml.NVMLError:
            return None

    def say(self, fraction: float) -> None:
        """How much of the whole session is done."""
        done = self.session.processes_done + fraction
        self.reporter.phase(f"timing batch {self.batch}", min(1.0, done / PROCESSES))

    def write_now_and_then(self) -> None:
        if time.monotonic() - self.written >= WRITE_SECONDS:
            self.session.write()
            self.written = time.monotonic()
