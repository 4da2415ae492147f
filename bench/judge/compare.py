"""Two result directories cell by cell: better, worse, same, unresolved, new, gone or stale. Reads; never measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.judge import latency
from bench.judge.change import (
    BETTER,
    LIMIT,
    SAME,
    UNRESOLVED,
    WORSE,
    Change,
    combined,
    from_difference,
    from_logs,
    judge,
)
from bench.judge.conditions import Conditions, judged_by, machine_of, run_of
from bench.schema import metrics
from bench.schema.metrics import Metric
from bench.statistics.jackknife import paired_difference
from bench.store.results import Results
from bench.store.stored_cell import Name, StoredCell

NEW, GONE, STALE = "new", "gone", "stale"


@dataclass(frozen=True)
class Row:
    """One cell of either directory. `notes` are one-line remarks for people."""

    model: str
    slug: str
    method: str
    verdict: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


def compare(base: Results, new: Results, limit: float = LIMIT) -> list[Row]:
    """Rows in the order of `new`, what is gone last. A factor beyond `limit` counts when it is certain."""
    before, after = ({c.name: c for c in results.cells} for results in (base, new))
    old = stale(base.cells) | stale(new.cells)
    drifts = latency.drift(base.cells), latency.drift(new.cells)
    rows = [row_of(before.get(name), cell, drifts, old.get(name)) for name, cell in after.items()]
    rows += [Row(*name, cell.method, GONE) for name, cell in before.items() if name not in after]
    return judged(rows, limit)


def row_of(base: StoredCell | None, new: StoredCell, drifts: tuple[float, float], stale_reason: str | None) -> Row:
    """A row whose changes are not judged yet."""
    name = (*new.name, new.method)
    if base is None:
        return Row(*name, NEW)
    reason = stale_reason or other_protocol(base, new)
    if reason:
        return Row(*name, STALE, notes=(reason,))
    if base.is_ok != new.is_ok:
        verdict = WORSE if base.is_ok else BETTER
        return Row(*name, verdict, notes=(f"was {base.status}, is {new.status}: {new.reason or 'ok'}",))
    changes, notes = [*speed(base, new, drifts), *quality(base, new)], remarks(base, new)
    if changes or not new.is_ok or (base.timing, base.quality) == (new.timing, new.quality):
        return Row(*name, SAME, tuple(changes), tuple(notes))
    return Row(*name, UNRESOLVED, notes=("nothing of the two can be compared", *notes))


def judged(rows: Sequence[Row], limit: float) -> list[Row]:
    """All rows' changes judged together, and each row's verdict from its own."""
    verdicts = iter(judge([change for row in rows for change in row.changes], limit))
    told = []
    for row in rows:
        changes = tuple(next(verdicts) for _ in row.changes)
        word = combined([c.verdict for c in changes]) if changes else row.verdict
        told.append(replace(row, changes=changes, verdict=word))
    return told


def speed(base: StoredCell, new: StoredCell, drifts: tuple[float, float]) -> list[Change]:
    """Latency on the same machine; the speed-up over the run's own baseline wherever both runs were alike."""
    changes = []
    if machine_of(base) == machine_of(new):
        changes.append(log_change("latency", base, new, "latency_ms", drifts, sign=1))
    if run_of(base) == run_of(new):
        changes.append(log_change("speed-up", base, new, "speedup", (0.0, 0.0), sign=-1))
    return [change for change in changes if change is not None]


def log_change(
    measure: str, base: StoredCell, new: StoredCell, interval: str, drifts: tuple[float, float], sign: int
) -> Change | None:
    """The change of an interval of the timing; no cell is known better than its own A/A interval says."""
    before, after = getattr(base.timing, interval), getattr(new.timing, interval)
    if before is None or after is None:
        return None
    if base.timing == new.timing:  # one measurement, stored twice
        return from_logs(measure, 0.0, 0.0)
    sides = zip((base, new), (before, after), drifts, strict=True)
    errors = [math.hypot(latency.ratio_error(cell, own), drift) for cell, own, drift in sides]
    return from_logs(measure, sign * math.log(after.median / before.median), math.hypot(*errors))


def quality(base: StoredCell, new: StoredCell) -> list[Change]:
    """Of every compared metric: paired by groups of samples where the seeds are shared, else with both errors."""
    if judged_by(base) != judged_by(new):
        return []
    changes = [metric_change(metric, base, new) for metric in metrics.METRICS if metric.compared_as]
    return [change for change in changes if change is not None]


def metric_change(metric: Metric, base: StoredCell, new: StoredCell) -> Change | None:
    """The change of a metric, as a factor that is above 1 where it is worse; None where value or error is not known."""
    was, now = base.quality.value(metric.key), new.quality.value(metric.key)
    if now is None or not was:
        return None
    sign = 1 if metric.better == metrics.LOWER else -1
    before, after = base.quality.without_groups(metric.key), new.quality.without_groups(metric.key)
    groups = len(before)
    if base.quality.seed == new.quality.seed and groups > 1 and groups == len(after):
        paired = paired_difference(after, before, (now, was))
        return from_difference(metric.compared_as, was, sign * paired.corrected, paired.standard_error, groups - 1)
    errors = [error for cell in (base, new) if (error := cell.quality.error(metric.key)) is not None]
    if len(errors) < 2:
        return None
    return from_difference(metric.compared_as, was, sign * (now - was), math.hypot(*errors), max(groups - 1, 1))


def other_protocol(base: StoredCell, new: StoredCell) -> str | None:
    """Why the two cells' numbers are not of the same kind, or None."""
    if base.protocol != new.protocol:
        return f"protocol {base.protocol} and {new.protocol}: measure the older one again"
    before, after = base.code.protocol, new.code.protocol
    return None if None in (before, after) or before == after else "the code of the protocol changed between the two"


def stale(cells: Sequence[StoredCell]) -> dict[Name, str]:
    """Cells that an older code measured than a later cell of the same directory, with the reason."""
    latest: dict[tuple[str | None, ...], str] = {}
    for cell in sorted(cells, key=lambda c: str(c.finished)):
        latest |= {key: code for key, code in codes(cell).items() if code is not None}
    reasons = {}
    for cell in cells:
        old = [key[0] for key, code in codes(cell).items() if code not in (None, latest.get(key))]
        if old:
            reasons[cell.name] = f"the code of its {old[0]} changed after it was measured"
    return reasons


def codes(cell: StoredCell) -> dict[tuple[str | None, ...], str | None]:
    """The code of the cell's method and of its protocol, by what they are the code of."""
    method = ("method", cell.sampler.name, cell.cache.name if cell.cache else None, cell.engine)
    return {method: cell.code.method, ("protocol",): cell.code.protocol}


def remarks(base: StoredCell, new: StoredCell) -> list[str]:
    """What else differs and explains a change."""
    facts = [{"plan": c.plan.rows, "MACs": c.work.macs, "method's code": c.code.method} for c in (base, new)]
    known = [what for what in facts[0] if all(side[what] for side in facts)]
    notes = [f"its {what} changed" for what in known if facts[0][what] != facts[1][what]]
    moved = differing(machine_of(base), machine_of(new))
    if new.is_ok and moved:
        notes.append(f"speed is of another machine or setting: {', '.join(moved)}")
    if new.is_ok and (other := differing(judged_by(base), judged_by(new))) and base.quality and new.quality:
        notes.append(f"quality is not compared: {', '.join(other)}")
    return notes


def differing(before: Conditions, after: Conditions) -> list[str]:
    """What is not equal of the conditions of two numbers."""
    return [f"{name} {was} before, {after[name]} now" for name, was in before.items() if was != after[name]]
