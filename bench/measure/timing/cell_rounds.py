"""What a session's rounds say of one cell: its times beside those of what it is compared with, and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.measure.timing.rounds import Round, again
from bench.statistics.medians import Interval, ratio_interval
from bench.statistics.paired_times import Spread, paired_ratio, pooled_median

METHOD, BASELINE, REPEAT, REFERENCE = "method", "baseline", "baseline_again", "reference"
REFERENCE_REPEAT = "reference_again"
OWN = "own_baseline"
TIMES = ("process_ns", "device_ns", "enqueue_ns")  # by name, beside the wall clock's
SHARED = ("process", "load", "interfered", "gpu")  # said of a whole round


def roles(
    slug: str, baseline: str | None, reference: str | None, repeated: frozenset[str], own: str | None = None
) -> dict[str, str]:
    """Which of a session's names a cell's rounds hold, by the part that each plays for it.

    A cached cell has a `baseline`, which runs twice; an uncached one is its own, and where it runs once, the
    reference's two runs are its A/A pair. `own` is the uncached run of a cached cell's library.
    """
    parts = {METHOD: slug}
    if baseline is not None:
        return parts | {BASELINE: baseline, REPEAT: again(baseline)} | ({} if own is None else {OWN: own})
    if slug in repeated:
        parts[REPEAT] = again(slug)
    if reference is not None and reference != slug:
        parts[REFERENCE] = reference
        parts |= {} if slug in repeated else {REFERENCE_REPEAT: again(reference)}
    return parts


def cell_rounds(rounds: Sequence[Round], parts: dict[str, str]) -> list[Round]:
    """The rounds in which all of these ran, by the parts that they play (docs/results-schema.md)."""
    return [_of_cell(r, parts) for r in rounds if all(name in r["wall_ns"] for name in parts.values())]


def _of_cell(record: Round, parts: dict[str, str]) -> Round:
    names = {name: part for part, name in parts.items()}
    cell_round: Round = {"order": [names[name] for name in record["order"] if name in names]}
    cell_round |= {part: record["wall_ns"][name] for part, name in parts.items()}
    cell_round |= {key: {part: record[key][name] for part, name in parts.items()} for key in TIMES if key in record}
    return cell_round | {key: record[key] for key in SHARED if key in record}


def summary(rounds: list[Round], spread: Spread | None = None) -> dict[str, Any]:
    """Intervals from a cell's raw rounds; nothing that a round says is dropped, disturbed rounds included.

    `spread` is what differs between the session's processes; ratios cannot be known better than that.
    """
    wall = {name: [r[name] for r in rounds] for name in rounds[0]["order"]}
    processes = [r.get("process", 0) for r in rounds]

    def ratio(above: str, below: str) -> Interval | None:
        both = above in wall and below in wall
        return paired_ratio(wall[above], wall[below], processes, spread) if both else None

    def milliseconds(name: str) -> Interval | None:
        return pooled_median([ns / 1e6 for ns in wall[name]], processes) if name in wall else None

    again_over = REFERENCE if REFERENCE_REPEAT in wall else BASELINE if BASELINE in wall else METHOD
    result: dict[str, Any] = {
        "rounds": rounds,
        "processes": len(set(processes)),
        "between_processes": spread and {"variance": spread.variance, "freedom": spread.freedom},
        "interfered_rounds": sum(r["interfered"] for r in rounds),
        "latency_ms": milliseconds(METHOD),
        "baseline_ms": milliseconds(BASELINE),
        "speedup": ratio(BASELINE, METHOD),
        "resolution": ratio(REFERENCE_REPEAT if REFERENCE_REPEAT in wall else REPEAT, again_over),
        "speedup_process": _process_speedup(rounds) if BASELINE in wall else None,
        "reference_ms": milliseconds(REFERENCE),
        "speedup_reference": ratio(REFERENCE, METHOD),
    }
    if OWN in wall:
        result |= {"own_ms": milliseconds(OWN), "speedup_own": ratio(OWN, METHOD)}
    return result | (_device_summary(rounds, processes) if "device_ns" in rounds[0] else {})


def _device_summary(rounds: list[Round], processes: list[int]) -> dict[str, Any]:
    """What a device shows besides wall time; rounds without a telemetry reading count as not throttled."""
    return {
        "device_ms": pooled_median([r["device_ns"][METHOD] / 1e6 for r in rounds], processes),
        "enqueue_ms": pooled_median([r["enqueue_ns"][METHOD] / 1e6 for r in rounds], processes),
        "throttled_rounds": sum(bool((r.get("gpu") or {}).get("throttled")) for r in rounds),
    }


def _process_speedup(rounds: list[Round]) -> Interval | None:
    """The ratio of processor times, which a process that was kept waiting still measures; None on a device."""
    if "device_ns" in rounds[0] or any(r["process_ns"][METHOD] <= 0 for r in rounds):
        return None
    return ratio_interval(*([r["process_ns"][name] for r in rounds] for name in (BASELINE, METHOD)))
