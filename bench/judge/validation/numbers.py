"""Whether a cell's numbers follow from what it stores raw: intervals from rounds, errors from replicates, MACs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from bench.judge.validation.resampling import paired_ratio, pooled_median
from bench.schema.metrics import with_replicates
from bench.schema.timing import is_number
from bench.statistics.jackknife import jackknife, jackknife_groups
from bench.statistics.medians import Interval
from bench.store.parts import MedianInterval, Quality, StoredPlan, Timing, Work
from bench.store.stored_cell import StoredCell

MAX_ROUNDS, MAX_SAMPLES = 10_000, 10_000_000  # more is no result but an attack on whoever checks it
TOLERANCE = 1e-6  # relative; the same numbers in another order of summation
_RATIOS = {"speedup": ("baseline", "method"), "speedup_reference": ("reference", "method"),
           "speedup_own": ("own_baseline", "method")}  # fmt: skip
_AA = (("reference_again", "reference"), ("baseline_again", "baseline"), ("baseline_again", "method"))  # first there is
_TIMES = {"latency_ms": "method", "baseline_ms": "baseline", "reference_ms": "reference", "own_ms": "own_baseline"}


def number_problems(cell: StoredCell) -> Iterator[str]:
    """One line for each number of an ok cell that its own raw data contradict."""
    yield from work_problems(cell.work, cell.timing, cell.has_baseline)
    yield from plan_problems(cell.plan)
    if cell.is_timed:
        yield from timing_problems(cell.timing, cell.has_baseline)
    if cell.quality:
        yield from quality_problems(cell.quality)


def work_problems(work: Work, timing: Timing, cached: bool) -> Iterator[str]:
    if work.macs and work.macs_baseline:
        yield from differs("work.macs_ratio", work.macs_ratio, work.macs / work.macs_baseline)
    if cached and work.macs_ratio:
        yield from differs("timing.speedup_ideal", timing.speedup_ideal, 1 / work.macs_ratio)


def plan_problems(plan: StoredPlan) -> Iterator[str]:
    rows = plan.rows
    if not rows:
        yield "plan.rows: none, so nothing can be checked"
        return
    if len(rows) != plan.nfe or len(rows[0]) != plan.branches:
        stated = f"nfe {plan.nfe} and {plan.branches} branches"
        yield f"plan.rows is {len(rows)} × {len(rows[0])}, but the plan has {stated}"
    if rows[0]:
        made = sum(row.count("#") for row in rows) / (len(rows) * len(rows[0]))
        yield from differs("plan.branches_computed", plan.branches_computed, made)


def timing_problems(timing: Timing, cached: bool) -> Iterator[str]:
    """Against the raw rounds. The bootstrap is seeded, so its ends must come out the same."""
    rounds = timing.rounds
    if len(rounds) > MAX_ROUNDS:
        yield f"timing.rounds are {len(rounds):,}, expected at most {MAX_ROUNDS:,}"
        return
    wall: dict[str, list[float]] = {}
    for name, times in rounds.ns.items():
        if all(times):  # 0 is no time
            wall[name] = times.tolist()
    twice = "reference_again" if "reference_again" in wall else "baseline_again"
    needed = ("method", twice, "baseline") if cached else ("method", twice)
    if missing := [name for name in needed if name not in wall]:
        yield f"timing.rounds lack positive times of {', '.join(missing)}: no interval can be checked"
        return
    made = intervals_of(wall, timing)
    for name in (*_TIMES, *_RATIOS, "resolution"):
        yield from interval_differs(f"timing.{name}", getattr(timing, name), made.get(name))
    if timing.throughput and timing.batch:
        yield from differs("timing.throughput", timing.throughput, 1e3 * timing.batch / made["latency_ms"]["median"])


def intervals_of(wall: dict[str, list[float]], timing: Timing) -> dict[str, Interval]:
    """What follows from the times of all rounds, their processes and what differs between these."""
    processes = list(timing.rounds.processes)
    made = {n: pooled_median([ns / 1e6 for ns in wall[who]], processes) for n, who in _TIMES.items() if who in wall}
    pairs = {name: pair for name, pair in _RATIOS.items() if pair[0] in wall}
    pairs["resolution"] = next(pair for pair in _AA if set(pair) <= wall.keys())
    spread = timing.between_processes
    return made | {n: paired_ratio(wall[a], wall[b], processes, spread) for n, (a, b) in pairs.items()}


def quality_problems(quality: Quality) -> Iterator[str]:
    samples = quality.samples
    if not samples or not 1 <= samples <= MAX_SAMPLES:
        yield f"quality.samples must lie in 1..{MAX_SAMPLES:,}, found {samples}"
        return
    if (quality.identical or 0) > samples:
        yield f"quality.identical is {quality.identical} of {samples} samples"
    for name in (metric.key for metric in with_replicates()):
        replicates, value = quality.without_groups(name), quality.value(name)
        if value is not None and name == "fd" and not replicates:
            yield "quality.fd_jackknife: no replicates, so its error cannot be checked"
        if value is not None and replicates:
            yield from replicate_problems(name, quality, value, samples)


def replicate_problems(name: str, quality: Quality, value: float, samples: int) -> Iterator[str]:
    """The jackknife error and the bias-corrected value from the values without each group."""
    replicates = quality.without_groups(name)
    if len(replicates) != quality.jackknife_groups or not 2 <= len(replicates) <= samples:
        yield f"quality.{name}_jackknife has {len(replicates)} values for {quality.jackknife_groups} groups"
        return
    made = jackknife(value, replicates, jackknife_groups(samples, count=len(replicates)))
    yield from differs(f"quality.{name}_se", quality.value(f"{name}_se"), made.standard_error, value)
    if (corrected := quality.value(f"{name}_corrected")) is not None:
        yield from differs(f"quality.{name}_corrected", corrected, made.corrected, value)


def interval_differs(what: str, stated: MedianInterval | None, made: dict[str, float] | None) -> Iterator[str]:
    if made is None or stated is None:
        if (made is None) != (stated is None):
            yield f"{what} is {'there' if made is None else 'missing'}, but its rounds say otherwise"
        return
    for end in ("median", "low", "high"):
        yield from differs(f"{what}.{end}", getattr(stated, end), made[end])


def differs(what: str, stated: Any, made: float, scale: float = 0.0) -> Iterator[str]:
    """A line unless `stated` is `made` within the tolerance, relative to the larger of it and `scale`."""
    slack = TOLERANCE * max(abs(made), abs(scale))
    if not is_number(stated) or not math.isclose(stated, made, rel_tol=0, abs_tol=slack):
        yield f"{what} is {stated}, but its raw data give {made:.9g}"
