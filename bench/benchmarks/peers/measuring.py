"""What is measured of a pair: times in turns once both sides are equals, or the memory of one side alone."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench.benchmarks.interleaved import Times, interleave
from bench.benchmarks.peers.equality import equality, in_dtype
from bench.benchmarks.peers.pair import Pair
from bench.measure.memory import peak_mb
from bench.measure.timing.stopwatch import quiet_interpreter
from bench.statistics.medians import median_interval, ratio_interval

ABSENT = (ImportError, NotImplementedError)  # not installed; not in this dtype


def measure(pair: Pair) -> dict[str, Any]:
    """Equality, then times and ratios of interleaved rounds; `left_out` says why where there is nothing to measure."""
    case, model = pair.case, pair.setting.model()
    with quiet_interpreter(pair.how.threads):
        try:
            check = equality(pair, model)
        except ABSENT as error:
            return {"cases": {}, "left_out": {case: f"{pair.library}: {error}"}, "ratio": {}, "seconds": {}}
        times = timed(pair, in_dtype(pair, model))
    return {
        "cases": {case: {"params": pair.params, "rounds": pair.setting.rounds, **check}},
        "left_out": {},
        "ratio": {case: ratio(times, "ours", pair.library)},
        "seconds": {
            f"{name} {case}": median_interval([ns / 1e9 for ns in series]) for name, series in times["process"].items()
        },
    }


def timed(pair: Pair, model: Any) -> Times:
    """Of both sides, in turns."""
    inputs = pair.setting.inputs(model)
    calls = {"ours": partial(pair.ours(model), *inputs), pair.library: partial(pair.theirs(model), *inputs)}
    return interleave(calls, pair.setting.rounds)


def ratio(times: Times, ours: str, theirs: str) -> dict[str, Any]:
    """Theirs / ours in processor time, which waiting for a busy machine does not lengthen, and of the wall clock."""
    return {clock: ratio_interval(by_name[theirs], by_name[ours]) for clock, by_name in times.items()}


def memory(pair: Pair, ours: bool) -> float | None:
    """Most resident memory of this process in MB while one side runs once: weights, libraries, all that is kept.

    None where the system does not say, or the library is not there.
    """
    model = pair.setting.model().to(pair.dtype)
    with quiet_interpreter(pair.how.threads):
        try:
            run = pair.ours(model) if ours else pair.theirs(model)
        except ABSENT:
            return None
        return peak_mb(partial(run, *pair.setting.inputs(model)), "cpu")
