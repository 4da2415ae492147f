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
from bench.judge.compare import SAME_MACHINE, alike, log_change, other_protocol
from bench.judge.gate.checks import FAIL, LEFT_OUT, PASS, UNRESOLVED, Finding, Outcome, check_cell
from bench.schema.cell import Cell, look_up
from bench.statistics.interval import log_error
from bench.store.results import Results

LONGER_LOOKS = (3, 9)  # times as long as the first
SLOWER = 1.08  # a method that is certainly slower by more than this closes the gate
# Over the same sampler uncached; uncached methods over the suite's reference; that one over the machine's ceiling.
GEMM_FRACTION = "gemm_fraction"
CEILING = f"timing.{GEMM_FRACTION}"
IN_RUN = ("timing.speedup", "timing.speedup_reference", CEILING)
NOTHING_TIMED = "neither run timed anything to compare it with; --base-ref REF measures both sides here"
Duels = Callable[[Cell], Change]


class Unable(Exception):
    """A duel cannot be fought; the message says why."""


def gate(base: Results, new: Results, duels: Duels | None = None) -> list[Finding]:
    """One finding for each check of each cell.

    `duels` measures a cell's method against the base's code in one job and may raise Unable. Without it, the ratios
    that both runs measured inside themselves are compared, if they are of the same machine.
    """
    before, after = ({(c["model"], c["slug"]): c for c in results.cells} for results in (base, new))
    found: list[Finding] = []
    for name, cell in before.items():
        if name not in after:
            found.append(Finding(*name, "status", FAIL, "gone: the new run has no such cell"))
        elif reason := other_protocol(cell, after[name]):
            found.append(Finding(*name, "protocol", UNRESOLVED, reason))
        else:
            found += check_cell(cell, after[name])
            if after[name]["status"] == cell["status"] == "ok":
                found.append(Finding(*name, "speed", *speed(cell, after[name], duels)))
    found += [Finding(*name, "status", UNRESOLVED, "new: not in the baseline") for name in after if name not in before]
    return found + [Finding("", "", "file", FAIL, text) for text in (*base.unreadable, *new.unreadable)]


def speed(base: Cell, new: Cell, duels: Duels | None) -> Outcome:
    """By duel where there are duels; else by the ratio that each run measured inside itself."""
    if duels is not None:
        try:
            return outcome(duels(new))
        except Unable as error:
            return UNRESOLVED, str(error)
    if not any(look_up(cell, path) is not None for cell in (base, new) for path in IN_RUN):
        return LEFT_OUT, NOTHING_TIMED
    if not alike(base, new, SAME_MACHINE):
        return UNRESOLVED, "the baseline is of another machine or torch; --base-ref REF measures both sides here"
    if base["timing"] == new["timing"]:  # one measurement, which cannot have moved, however coarse it is
        return PASS, ""
    change = next(filter(None, (in_run(base, new, path) for path in IN_RUN)), None)
    if change is None:
        return UNRESOLVED, "one run timed nothing to compare it with; --base-ref REF measures both sides here"
    verdict, text = outcome(change)
    if verdict == FAIL and change.measure == GEMM_FRACTION:  # no ratio within rounds: what else ran then may be all
        return UNRESOLVED, f"perhaps {text}; --base-ref REF measures both sides here"
    return verdict, text


def in_run(base: Cell, new: Cell, path: str) -> Change | None:
    """The change of a ratio that each run measured inside itself; None where one of them did not."""
    if path != CEILING:
        return log_change(path.partition(".")[2], base, new, path, (0.0, 0.0), sign=-1)
    shares = [look_up(cell, CEILING) for cell in (base, new)]
    if None in shares:
        return None
    errors = [log_error(cell["timing"]["latency_ms"]) for cell in (base, new)] + [ceiling_error(c) for c in (base, new)]
    return from_logs(GEMM_FRACTION, math.log(shares[0] / shares[1]), math.hypot(*errors))


def ceiling_error(cell: Cell) -> float:
    """How far the two measurements of the ceiling, before and after the cell, are apart on the log scale."""
    ends = [look_up(cell, f"timing.ceilings.gemm_{end}") for end in ("before", "after")]
    return 0.0 if None in ends else abs(math.log(ends[1] / ends[0])) / math.sqrt(2)


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
