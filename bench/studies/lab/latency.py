"""Latencies of many plans side by side, measured as timing sessions measure cells: docs/protocol.md states the rules.

Several processes, one after another, each run interleaved rounds of all of them on one core.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench import plugins
from bench.measure.timing.affinity import pinned
from bench.measure.timing.rounds import Budget, Call, Rounds
from bench.measure.timing.session import MIN_ROUNDS
from bench.measure.timing.stopwatch import quiet_interpreter, stopwatch
from bench.sampling import seeded_noise
from bench.sampling.compiled import prepare
from bench.statistics.paired_times import Spread
from bench.store.sessions import PROCESSES, Session
from bench.studies.lab.subject import Subject
from bench.suite.cells import Part
from bench.suite.protocol import Timing
from methods.method import Sampler
from methods.plan import Plan

UNCACHED = "uncached"  # what all are timed beside; it runs twice a round
KEPT = ("wall_ns", "interfered", "load")  # of a round


@dataclass(frozen=True)
class TimingOrder:
    """`entrants`: by name a sampler and its plan."""

    model: str
    weights: str | None
    entrants: Mapping[str, tuple[Part, Plan]]
    rules: Timing
    plugins: list[str] = field(default_factory=list)


def measure(subject: Subject, entrants: Mapping[str, tuple[Part, Plan]], rules: Timing) -> dict[str, Any]:
    """What a session's file holds of its settings and rounds (bench/store/sessions.py). One of them is UNCACHED."""
    order = TimingOrder(subject.spec.name, subject.weights, entrants, rules, plugins.loaded())
    processes = [in_child(order, number) for number in range(PROCESSES)]
    return {
        "settings": {name: name for name in entrants},
        "repeated": [UNCACHED],
        "removed": {},
        "batch": rules.batch,
        "processes": [{key: value for key, value in one.items() if key != "rounds"} for one in processes],
        "rounds": [{"process": number, **each} for number, one in enumerate(processes) for each in one["rounds"]],
    }


def in_child(order: TimingOrder, number: int) -> dict[str, Any]:
    """The rounds of a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(timed, order, number).result()


def timed(order: TimingOrder, number: int) -> dict[str, Any]:
    """One process's share of the rules: warm-up, then rounds in random order."""
    plugins.load(order.plugins)
    subject, rules = Subject.named(order.model, order.weights), order.rules
    calls = {name: call(subject, part.method, plan, rules.batch) for name, (part, plan) in order.entrants.items()}
    most = math.ceil(rules.rounds / PROCESSES)
    budget = Budget(min(MIN_ROUNDS, most), most, rules.seconds * len(calls) / PROCESSES)
    with pinned(1) as cores, quiet_interpreter(1):
        rounds = Rounds(calls, frozenset([UNCACHED]), stopwatch("cpu"))
        warmed = rounds.warm_up(budget.seconds)
        made = [{key: one[key] for key in KEPT} for one in rounds.run(budget, np.random.default_rng(number))]
    return {**warmed, "cores": cores, "rounds": made}


def call(subject: Subject, sampler: Sampler, plan: Plan, batch: int) -> Call:
    """One whole trajectory of `batch` images: noise in, final latents out, guidance included."""
    run = prepare(
        subject.model, sampler, plan,
        batch=batch, guidance_scale=subject.guidance, guidance_channels=subject.spec.guidance_channels,
    )  # fmt: skip
    noise, labels = seeded_noise(range(batch), subject.model.latent_shape), subject.labels(range(batch))
    return lambda: run(noise, labels)


@dataclass(frozen=True)
class Times:
    """Ratios of latencies from what `measure` returned."""

    content: dict[str, Any]

    @cached_property
    def session(self) -> Session:
        return Session(Path(), self.content)

    @cached_property
    def spread(self) -> Spread | None:
        return self.session.spread()

    @cached_property
    def resolution(self) -> float:
        """Half the width of the log interval of what ran twice a round: no ratio is said to be known better."""
        return self.session.resolution()

    def ratio(self, above: str, below: str) -> dict[str, float]:
        """The latency of one over that of another: value, low, high."""
        if above == below:
            return dict.fromkeys(("value", "low", "high"), 1.0)
        found = self.session.ratio(above, below, self.spread)
        value, wide = found["median"], math.exp(self.resolution)
        return {"value": value, "low": min(found["low"], value / wide), "high": max(found["high"], value * wide)}

    def milliseconds(self, name: str) -> float:
        """The median over all rounds, for one image."""
        return float(np.median([r["wall_ns"][name] for r in self.session.rounds])) / 1e6 / int(self.content["batch"])

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """How it was timed: rows of two texts."""
        rounds = self.session.rounds
        return (
            ("uncached", f"{self.milliseconds(UNCACHED):.1f} ms an image"),
            ("images at a time", f"{self.content['batch']}"),
            ("plans side by side", f"{len(self.session.settings)}"),
            ("rounds", f"{len(rounds)} in {len(set(self.session.processes))} processes"),
            ("disturbed rounds", f"{sum(bool(r['interfered']) for r in rounds)}"),
            ("a plan against itself", f"within {100 * math.expm1(self.resolution):.1f} %"),
        )
