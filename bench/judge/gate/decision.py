"""The gate: may this change go in? What is deterministic must hold tightly; speed is judged by ratios within one job.

Every cell of the baseline must be there and pass every check. What could not be measured well enough is unresolved,
and a gate with something unresolved does not open by itself. What neither run was asked to measure is left out, counted
and named, and keeps no gate closed: so a run gated against itself is open, whatever its suite asks for. Measures
nothing but the duels that it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bench.judge.change import Change, from_logs
from bench.judge.compare import log_change, other_protocol
from bench.judge.conditions import machine_of
from bench.judge.gate.checks import FAIL, LEFT_OUT, PASS, UNRESOLVED, Finding, Outcome, check_cell
from bench.store.parts import Timing
from bench.store.results import Results
from bench.store.stored_cell import StoredCell

LONGER_LOOKS = (3, 9)  # times as long as the first
SLOWER = 1.08  # a method that is certainly slower by more than this closes the gate
# Over the same sampler uncached; uncached methods over the suite's reference; that one over the machine's ceiling.
GEMM_FRACTION = "gemm_fraction"
IN_RUN = ("speedup", "speedup_reference", GEMM_FRACTION)  # fields of a cell's timing
NOTHING_TIMED = "neither run timed anything to compare it with; --base-ref REF measures both sides here"
Duels = Callable[[StoredCell], Change]


class Unable(Exception):
    """A duel cannot be fought; the message says why."""


def gate(base: Results, new: Results, duels: Duels | None = None) -> list[Finding]:
    """One finding for each check of each cell.

    `duels` measures a cell's method against the base's code in one job and may raise Unable. Without it, the ratios
    that both runs measured inside themselves are compared, if they are of the same machine.
    """
    before, after = ({c.name: c for c in results.cells} for results in (base, new))
    findings: list[Finding] = []
    for name, cell in before.items():
        if name not in after:
            findings.append(Finding(*name, "status", FAIL, "gone: the new run has no such cell"))
        elif reason := other_protocol(cell, after[name]):
            findings.append(Finding(*name, "protocol", UNRESOLVED, reason))
        else:
            findings += check_cell(cell, after[name])
            if after[name].is_ok and cell.is_ok:
                findings.append(Finding(*name, "speed", *speed(cell, after[name], duels)))
    findings += [
        Finding(*name, "status", UNRESOLVED, "new: not in the baseline") for name in after if name not in before
    ]
    return findings + [Finding("", "", "file", FAIL, text) for text in (*base.unreadable, *new.unreadable)]


def speed(base: StoredCell, new: StoredCell, duels: Duels | None) -> Outcome:
    """By duel where there are duels; else by the ratio that each run measured inside itself."""
    if duels is not None:
        try:
            return outcome(duels(new))
        except Unable as error:
            return UNRESOLVED, str(error)
    if not any(getattr(cell.timing, ratio) for cell in (base, new) for ratio in IN_RUN):
        return LEFT_OUT, NOTHING_TIMED
    if machine_of(base) != machine_of(new):
        return UNRESOLVED, "the baseline is of another machine or torch; --base-ref REF measures both sides here"
    if base.timing == new.timing:  # one measurement, which cannot have moved, however coarse it is
        return PASS, ""
    change = next(filter(None, (in_run(base, new, ratio) for ratio in IN_RUN)), None)
    if change is None:
        return UNRESOLVED, "one run timed nothing to compare it with; --base-ref REF measures both sides here"
    verdict, text = outcome(change)
    if verdict == FAIL and change.measure == GEMM_FRACTION:  # no ratio within rounds: what else ran then may be all
        return UNRESOLVED, f"perhaps {text}; --base-ref REF measures both sides here"
    return verdict, text


def in_run(base: StoredCell, new: StoredCell, ratio: str) -> Change | None:
    """The change of a ratio that each run measured inside itself; None where one of them did not."""
    if ratio != GEMM_FRACTION:
        return log_change(ratio, base, new, ratio, (0.0, 0.0), sign=-1)
    before, after = base.timing, new.timing
    if not (before.gemm_fraction and after.gemm_fraction and before.latency_ms and after.latency_ms):
        return None
    errors = [before.latency_ms.log_error, after.latency_ms.log_error, ceiling_error(before), ceiling_error(after)]
    return from_logs(GEMM_FRACTION, math.log(before.gemm_fraction / after.gemm_fraction), math.hypot(*errors))


def ceiling_error(timing: Timing) -> float:
    """How far the two measurements of the ceiling, before and after the cell, are apart on the log scale."""
    before, after = timing.ceilings.gemm_before, timing.ceilings.gemm_after
    return abs(math.log(after / before)) / math.sqrt(2) if before and after else 0.0


def outcome(change: Change) -> Outcome:
    """Closed by a slow-down that is certain and large; open where one beyond the limit is out of the question."""
    text = f"{change.measure} x {change.factor:.3f} [{change.low:.3f}, {change.high:.3f}], limit {SLOWER}"
    if change.low > 1 and change.factor > SLOWER:
        return FAIL, f"slower: {text}"
    return (PASS, "") if change.high <= SLOWER else (UNRESOLVED, f"too coarse: {text}")


def confirmed(look: Callable[[float], Change], seconds: float) -> Change:
    """The change after the last look: one of `seconds`, and longer ones until the gate may open or must stay closed.

    A slow-down must be beyond the limit with its whole interval, and not at the first look, to be believed early.
    """
    change = look(seconds)
    for n, longer in enumerate(LONGER_LOOKS):
        if outcome(change)[0] == PASS or (n and change.low > SLOWER):
            break
        change = look(longer * seconds)
    return change
