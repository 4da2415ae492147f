"""Two result directories cell by cell: better, worse, same, unresolved, new, gone or stale. Reads; never measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.judge import latency
from bench.judge.change import BETTER, LIMIT, SAME, WORSE, Change, combined, from_difference, from_logs, judge
from bench.schema.cell import Cell, look_up
from bench.statistics.interval import log_error
from bench.statistics.jackknife import paired_difference
from bench.store.results import Results

NEW, GONE, STALE = "new", "gone", "stale"
# What must be equal for two latencies, two ratios of latencies, two Fréchet distances to be of the same thing.
SAME_RUN = ("protocol", "settings.device", "settings.dtype", "settings.batch", "settings.guidance_scale")
SAME_MACHINE = (*SAME_RUN, "settings.threads", "environment.cpu", "environment.gpu", "environment.torch")
_SAME_QUALITY = ("protocol", "quality.features", "quality.fingerprint", "quality.reference",
                 "quality.reference_samples", "quality.samples", "settings.guidance_scale")  # fmt: skip

Name = tuple[str, str]  # model, slug


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
    before, after = ({(c["model"], c["slug"]): c for c in results.cells} for results in (base, new))
    old = stale(base.cells) | stale(new.cells)
    drifts = latency.drift(base.cells), latency.drift(new.cells)
    rows = [row_of(before.get(name), cell, drifts, old.get(name)) for name, cell in after.items()]
    rows += [Row(*name, cell["method"], GONE) for name, cell in before.items() if name not in after]
    return judged(rows, limit)


def row_of(base: Cell | None, new: Cell, drifts: tuple[float, float], stale_reason: str | None) -> Row:
    """A row whose changes are not judged yet."""
    name = (new["model"], new["slug"], new["method"])
    if base is None:
        return Row(*name, NEW)
    reason = stale_reason or other_protocol(base, new)
    if reason:
        return Row(*name, STALE, notes=(reason,))
    if "ok" in (base["status"], new["status"]) and base["status"] != new["status"]:
        verdict = WORSE if base["status"] == "ok" else BETTER
        return Row(*name, verdict, notes=(f"was {base['status']}, is {new['status']}: {new.get('reason') or 'ok'}",))
    changes = [*speed(base, new, drifts), *quality(base, new)]
    return Row(*name, SAME, tuple(changes), tuple(remarks(base, new)))


def judged(rows: Sequence[Row], limit: float) -> list[Row]:
    """All rows' changes judged together, and each row's verdict from its own."""
    verdicts = iter(judge([change for row in rows for change in row.changes], limit))
    found = []
    for row in rows:
        changes = tuple(next(verdicts) for _ in row.changes)
        word = combined([c.verdict for c in changes]) if changes else row.verdict
        found.append(replace(row, changes=changes, verdict=word))
    return found


def speed(base: Cell, new: Cell, drifts: tuple[float, float]) -> list[Change]:
    """Latency on the same machine; the speed-up over the run's own baseline wherever both runs were alike."""
    found = []
    if alike(base, new, SAME_MACHINE):
        found.append(log_change("latency", base, new, "timing.latency_ms", drifts, sign=1))
    if alike(base, new, SAME_RUN):
        found.append(log_change("speed-up", base, new, "timing.speedup", (0.0, 0.0), sign=-1))
    return [change for change in found if change is not None]


def log_change(measure: str, base: Cell, new: Cell, path: str, drifts: tuple[float, float], sign: int) -> Change | None:
    """The change of a positive interval; no cell is known better than its own A/A interval says."""
    intervals = [look_up(cell, path) for cell in (base, new)]
    if None in intervals:
        return None
    if base["timing"] == new["timing"]:  # one measurement, stored twice
        return from_logs(measure, 0.0, 0.0)
    errors = []
    for cell, interval, drift in zip((base, new), intervals, drifts, strict=True):
        resolution = look_up(cell, "timing.resolution") or interval
        errors.append(math.hypot(max(log_error(interval), log_error(resolution)), drift))
    log_factor = sign * math.log(intervals[1]["median"] / intervals[0]["median"])
    return from_logs(measure, log_factor, math.hypot(*errors))


def quality(base: Cell, new: Cell) -> list[Change]:
    """The Fréchet distance: paired by groups of samples where the seeds are shared, else with both errors."""
    values = [look_up(cell, "quality.fd") for cell in (base, new)]
    if None in values or not values[0] or not alike(base, new, _SAME_QUALITY):
        return []
    replicates = [look_up(cell, "quality.fd_jackknife") or [] for cell in (base, new)]
    groups = len(replicates[0])
    difference = values[1] - values[0]
    if alike(base, new, ("quality.seed",)) and groups > 1 and groups == len(replicates[1]):
        paired = paired_difference(replicates[1], replicates[0], (values[1], values[0]))
        return [from_difference("quality", values[0], paired.corrected, paired.standard_error, groups - 1)]
    errors = [look_up(cell, "quality.fd_se") for cell in (base, new)]
    if None in errors:
        return []
    return [from_difference("quality", values[0], difference, math.hypot(*errors), max(groups - 1, 1))]


def alike(base: Cell, new: Cell, paths: Sequence[str]) -> bool:
    return all(look_up(base, path) == look_up(new, path) for path in paths)


def other_protocol(base: Cell, new: Cell) -> str | None:
    """Why the two cells' numbers are not of the same kind, or None."""
    if base["protocol"] != new["protocol"]:
        return f"protocol {base['protocol']} and {new['protocol']}: measure the older one again"
    codes = [look_up(cell, "code.protocol") for cell in (base, new)]
    return None if None in codes or codes[0] == codes[1] else "the code of the protocol changed between the two"


def stale(cells: Sequence[Cell]) -> dict[Name, str]:
    """Cells that an older code measured than a later cell of the same directory, with the reason."""
    latest: dict[tuple[str | None, ...], str] = {}
    for cell in sorted(cells, key=lambda c: str(c.get("finished"))):
        latest |= {key: code for key, code in codes(cell).items() if code is not None}
    found = {}
    for cell in cells:
        old = [key[0] for key, code in codes(cell).items() if code not in (None, latest.get(key))]
        if old:
            found[cell["model"], cell["slug"]] = f"the code of its {old[0]} changed after it was measured"
    return found


def codes(cell: Cell) -> dict[tuple[str | None, ...], str | None]:
    """The code of the cell's method and of its protocol, by what they are the code of."""
    method = ("method", look_up(cell, "sampler.name"), look_up(cell, "cache.name"))
    return {method: look_up(cell, "code.method"), ("protocol",): look_up(cell, "code.protocol")}


def remarks(base: Cell, new: Cell) -> list[str]:
    """What else differs and explains a change."""
    found = []
    for what, path in (("plan", "plan.rows"), ("MACs", "work.macs"), ("method's code", "code.method")):
        pair = [look_up(cell, path) for cell in (base, new)]
        if None not in pair and pair[0] != pair[1]:
            found.append(f"its {what} changed")
    if new["status"] == "ok" and not alike(base, new, SAME_MACHINE):
        names = ((path.rpartition(".")[2], [look_up(cell, path) for cell in (base, new)]) for path in SAME_MACHINE)
        moved = [f"{name} {before} before, {now} now" for name, (before, now) in names if before != now]
        found.append(f"speed is of another machine or setting: {', '.join(moved)}")
    return found
