"""Ways to sample that are held against each other at equal measured latency."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.statistics.ratio_of_means import ratio_of_means
from bench.studies.lab.latency import UNCACHED, Times, measure
from bench.studies.lab.masks import Array
from bench.studies.lab.trial import Trial
from bench.suite.protocol import Timing
from methods.plan import Plan, uncached

ENDS = ("value", "low", "high")
Point = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """A plan of the trial's sampler. `said` is what tells it from others."""

    name: str
    said: dict[str, Any]
    trial: Trial
    plan: Plan

    def errors(self) -> list[float]:
        return self.trial.errors(self.plan)


def points(ways: Iterable[Way], step: Callable[..., Any]) -> list[dict[str, Any]]:
    """What is kept of ways: name, what is said of them, and the errors of all seeds. One step a way."""
    return [{"name": way.name, **way.said, "errors": step(way.name, way.errors)} for way in ways]


def times(trial: Trial, ways: Sequence[Way], rules: Timing, step: Callable[..., Any]) -> dict[str, Any]:
    """The latencies of ways, and of the trial's sampler uncached, side by side; for lab.latency.Times."""
    subject = trial.subject
    whole = uncached(subject.evaluations(trial.part.method), subject.model.num_branches)
    entrants = {UNCACHED: (trial.part, whole)} | {way.name: (way.trial.part, way.plan) for way in ways}
    return step("times", partial(measure, subject, entrants, rules))


def no_slower(found: Iterable[Point], rival: Point, known: Times) -> list[Point]:
    """Those that surely take no more time than a rival."""
    return [one for one in found if known.ratio(one["name"], rival["name"])["high"] <= 1]


def error_ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Mean error over another of the same seeds: value, low, high."""
    return asdict(ratio_of_means(np.array([above]), np.array([below])))


def ratio_at_equal_time(point: Point, rivals: Sequence[Point], known: Times) -> dict[str, float] | None:
    """A point's error over that of rivals at its latency; None where that is not between two of theirs.

    The interval spans those of the errors at both ends of the rivals' latencies, which are taken over the point's.
    """
    ratios = [known.ratio(rival["name"], point["name"]) for rival in rivals]
    gaps = {end: np.log([ratio[end] for ratio in ratios]) for end in ENDS}
    if not gaps["value"].min() <= 0 <= gaps["value"].max():
        return None
    errors = np.array([rival["errors"] for rival in rivals])
    found = {end: error_ratio(point["errors"], interpolated(errors, gaps[end]).tolist()) for end in ENDS}
    low, high = min(one["low"] for one in found.values()), max(one["high"] for one in found.values())
    return {"value": found["value"]["value"], "low": low, "high": high}


def interpolated(errors: Array, gaps: Array) -> Array:
    """Errors [seeds] at a log gap of 0, on straight lines of both logarithms, from errors [points, seeds] at `gaps`."""
    order = np.argsort(gaps, kind="stable")
    logs = np.log(errors[order])
    return np.exp([np.interp(0.0, gaps[order], logs[:, seed]) for seed in range(logs.shape[1])])
