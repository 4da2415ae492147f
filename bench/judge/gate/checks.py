"""The gate's checks of what must not move: two results of one cell, one finding a check. Reads; never measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.schema import metrics as table
from bench.schema.plan_marks import MARKS
from bench.store.stored_cell import StoredCell

PASS, FAIL, UNRESOLVED = "pass", "fail", "unresolved"
LEFT_OUT = "left out"  # neither run was asked to measure it, so that nothing can have moved
# Another processor rounds differently, and a trajectory carries that on; a changed formula moves more.
LATENT_TOLERANCE, TOKEN_TOLERANCE, METRIC_TOLERANCE = 1e-3, 1e-3, 1e-2  # relative
FRACTION = 1e-5
BORDER = 2  # samples that may fall on the other side of one

Probed = Sequence[Sequence[float | None]]
Outcome = tuple[str, str]  # verdict, and for people where it moved and by how much


@dataclass(frozen=True)
class Finding:
    """How one check of one cell ended."""

    model: str
    slug: str
    check: str
    verdict: str
    detail: str = ""


def check_cell(base: StoredCell, new: StoredCell) -> list[Finding]:
    """Status first; plan, work, tokens, latents and metrics of a cell that is ok in both."""
    name = new.name
    if base.status != new.status:
        detail = f"was {base.status}, is {new.status}: {new.reason or 'no reason'}"
        return [Finding(*name, "status", FAIL, detail)]
    if not new.is_ok:
        return [Finding(*name, "status", PASS)]
    checks = (plan, work, tokens, latents, metrics)
    return [Finding(*name, check.__name__, *check(base, new)) for check in checks]


def plan(base: StoredCell, new: StoredCell) -> Outcome:
    """Every decision as it was; names the first evaluation and branch that is not."""
    before, after = base.plan.rows, new.plan.rows
    if [len(row) for row in before] != [len(row) for row in after]:
        return FAIL, f"{len(after)} evaluations, was {len(before)}, or another number of branches"
    moved = [(k, j) for k, row in enumerate(after) for j, mark in enumerate(row) if mark != before[k][j]]
    if not moved:
        return PASS, ""
    k, j = moved[0]
    was, now = MARKS[before[k][j]].name, MARKS[after[k][j]].name
    return FAIL, f"{place(k, j)} was {was}, is {now}; {len(moved)} of {sum(map(len, after))} decisions differ"


def place(k: int, j: int) -> str:
    """A branch in words: `evaluation 3, block 5 mlp`."""
    return f"evaluation {k}, block {j // 2} {'mlp' if j % 2 else 'attn'}"


def work(base: StoredCell, new: StoredCell) -> Outcome:
    """MACs, counts of branches and bytes kept, exactly; fractions as far as a baseline keeps their digits."""
    for (name, was), now in zip(counts(base).items(), counts(new).values(), strict=True):
        fractions = isinstance(was, float) and isinstance(now, float)
        if was != now and not (fractions and math.isclose(was, now, rel_tol=FRACTION)):
            return FAIL, f"{name} was {was}, is {now}"
    return PASS, ""


def counts(cell: StoredCell) -> dict[str, Any]:
    """What the plan and its work must be, by name."""
    plan, work = cell.plan, cell.work
    return {
        "plan.nfe": plan.nfe, "plan.branches_computed": plan.branches_computed, "work.macs": work.macs,
        "work.macs_baseline": work.macs_baseline, "work.cache_bytes": work.cache_bytes,
    }  # fmt: skip


def tokens(base: StoredCell, new: StoredCell) -> Outcome:
    """Sizes of the tokens after every branch; names the first that moved."""
    tables = probes("tokens", base, new)
    if isinstance(tables[1], str):
        return tables
    before, after = tables
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.abs(after - before) / np.abs(before)
    moved = (np.isnan(before) != np.isnan(after)) | (change > TOKEN_TOLERANCE)
    if not moved.any():
        return PASS, ""
    k, j = (int(i) for i in np.argwhere(moved)[0])
    by = "are no longer there" if np.isnan(change[k, j]) else f"moved by {change[k, j]:.1e} of their size"
    return (
        FAIL,
        f"{place(k, j)}: tokens {by}; {int(moved.sum())} of {moved.size} moved by more than {TOKEN_TOLERANCE:g}",
    )


def latents(base: StoredCell, new: StoredCell) -> Outcome:
    """Final latents of the measured path, relative to their size."""
    tables = probes("latents", base, new)
    if isinstance(tables[1], str):
        return tables
    before, after = tables
    change = float(np.linalg.norm(after - before) / np.linalg.norm(before))
    if change <= LATENT_TOLERANCE:
        return PASS, ""
    worst = int(np.linalg.norm(after - before, axis=1).argmax())
    return FAIL, f"latents moved by {change:.1e} of their size (most in sample {worst}), tolerance {LATENT_TOLERANCE:g}"


def probes(part: str, base: StoredCell, new: StoredCell) -> tuple[np.ndarray, np.ndarray] | Outcome:
    """The two tables, absent entries as NaN; or the outcome where they cannot be compared."""
    before, after = (getattr(cell.probe, part) for cell in (base, new))
    if before is None and after is None:
        return LEFT_OUT, "no probe in either run: [protocol] fingerprint asks for one"
    if before is None or after is None:
        lacking = "BASE" if before is None else "NEW"
        return UNRESOLVED, f"no probe in {lacking}: [protocol] fingerprint asks for one"
    tables = [np.array([[np.nan if v is None else v for v in row] for row in t], float) for t in (before, after)]
    if tables[0].shape != tables[1].shape:
        return UNRESOLVED, f"probes of different shapes, {tables[0].shape} and {tables[1].shape}"
    return tables[0], tables[1]


def metrics(base: StoredCell, new: StoredCell) -> Outcome:
    """Quality of the same seeds."""
    samples = base.quality.samples
    if samples != new.quality.samples:
        return FAIL, f"{new.quality.samples} samples, was {samples}"
    for metric in (metric for metric in table.METRICS if metric.held_by):
        name = metric.key
        was, now = base.quality.value(name), new.quality.value(name)
        if was is None and now is None:
            continue
        if was is None or now is None:
            return FAIL, f"{name} was {shown(was)}, is {shown(now)}"
        if abs(now - was) > (METRIC_TOLERANCE * abs(was) if metric.held_by == table.RATIO else BORDER / (samples or 1)):
            return FAIL, f"{name} was {shown(was)}, is {shown(now)}"
    return PASS, ""


def shown(value: Any) -> str:
    return "absent" if value is None else f"{value:.6g}"


def worst(findings: Sequence[Finding]) -> str:
    verdicts = {finding.verdict for finding in findings}
    return next((word for word in (FAIL, UNRESOLVED) if word in verdicts), PASS)
