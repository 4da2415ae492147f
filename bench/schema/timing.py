"""What a cell's `timing` must look like before its numbers are believed (docs/results-schema.md)."""

from __future__ import annotations

from typing import Any

from bench.schema.warnings import warnings_problem

INTERVALS = ("latency_ms", "baseline_ms", "speedup", "resolution", "decode_ms", "reference_ms", "speedup_reference",
             "own_ms", "speedup_own")  # fmt: skip
CALLS = ("method", "baseline", "baseline_again", "reference", "reference_again", "own_baseline")  # timed in a round
NUMBERS = ("speedup_ideal", "throughput", "gemm_fraction", "prepare_s", "enqueue_us", "energy_j")


def timing_problem(timing: dict[str, Any]) -> str | None:
    """The first thing wrong with the times at the headline batch and at every other, or None."""
    if problem := warnings_problem(timing):
        return problem
    for entry in (timing, *batches_of(timing)):
        if entry is not timing and (not isinstance(entry, dict) or not is_number(entry.get("batch"))):
            return "timing.batches must hold objects with a batch"
        problem = _entry_problem(entry)
        if problem:
            return problem
    return None


def batches_of(timing: dict[str, Any] | None) -> list[Any]:
    """What was timed at batches beyond the headline, the largest last; each as `timing` itself."""
    largest = (timing or {}).get("largest")
    return [*((timing or {}).get("batches") or ()), *([largest] if largest else [])]


def _entry_problem(entry: dict[str, Any]) -> str | None:
    roofline = entry.get("roofline")
    if not isinstance(roofline, dict | None):
        return "timing.roofline must be an object"
    numbers = {name: entry.get(name) for name in NUMBERS} | {"roofline.speedup": (roofline or {}).get("speedup")}
    for name, value in numbers.items():
        if value is not None and not is_number(value):
            return f"timing.{name} must be a number, found {str(value)[:60]!r}"
    return next(filter(None, (_interval_problem(entry.get(name), name) for name in INTERVALS)), None)


def _interval_problem(interval: Any, name: str) -> str | None:
    if interval is None:
        return None
    ends: list[Any] = [interval.get(end) for end in ("low", "median", "high")] if isinstance(interval, dict) else []
    fine = len(ends) == 3 and all(map(is_number, ends)) and 0 < ends[0] <= ends[1] <= ends[2]
    return None if fine else f"timing.{name} must have positive numbers low <= median <= high"


def is_number(value: Any) -> bool:
    """An int or a float; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
