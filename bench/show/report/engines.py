"""Libraries beside our own code: what each gained over both uncached runs, and what it really computed."""

from typing import Any

import pandas as pd

from bench.engines import OURS
from bench.show.report.column import Column, Row
from bench.show.report.format import between
from bench.show.report.group import Group
from bench.show.report.speed import LATENCY, SpeedTable, filled, measured_speedup, times
from bench.store.stored_cell import StoredCell

COLUMNS = [
    Column("Run by", "whose code ran the network with its caching", lambda r: r["run_by"], "run_by"),
    LATENCY,
    Column("Over our code uncached", "speed-up over our own code without a cache, at the same sampler and steps and in "
           "the same rounds", measured_speedup, "speedup"),
    Column("Over its library uncached", "speed-up over the same library without its cache, likewise: what its caching "
           "gains",
           lambda r: f"{times(r['speedup_own'])} {between(r['speedup_own_low'], r['speedup_own_high'])}".strip(),
           "speedup_own"),
    Column("Branches run", "attention and MLP calls of a trajectory that were made, of all; a library's are counted by "
           "hooks inside its modules", lambda r: f"{r['run']:.0f} of {r['all']:.0f}", "run"),
    Column("Network differs by", "largest difference of the library's uncached outputs to ours, of the largest value; "
           "about 1e-6 is rounding", lambda r: f"{r['engine_difference']:.1e}" if r["engine_difference"] else "0",
           "engine_difference"),
    Column("Why there are no numbers", "of a cell that failed, or cannot run here",
           lambda r: r["why"], "why"),
]  # fmt: skip


def engine_table(group: Group) -> SpeedTable | None:
    """Every listed cell that a library ran, after the cells of ours with its sampler and cache method.

    None where no library ran any.
    """
    beside = {_same(cell) for cell in group.listed if cell.engine != OURS}
    cells = sorted((cell for cell in group.listed if _same(cell) in beside), key=_order)
    if not cells:
        return None
    rows = [{**group.records[group.positions[cell.slug]], **_more(cell)} for cell in cells]
    return filled(COLUMNS, pd.DataFrame(rows), [cell.method for cell in cells])


def _same(cell: StoredCell) -> tuple[Any, ...]:
    """Its sampler with steps, and the name of its cache method."""
    return cell.sampler.family, cell.sampler.steps or 0, cell.cache.name if cell.cache else ""


def _order(cell: StoredCell) -> tuple[Any, ...]:
    return *_same(cell), cell.engine != OURS, cell.engine


def _more(cell: StoredCell) -> Row:
    plan = cell.plan
    branches = None if plan.nfe is None or plan.branches is None else plan.nfe * plan.branches
    run = None if branches is None or plan.branches_computed is None else round(plan.branches_computed * branches)
    who = "our code" if cell.engine == OURS else cell.engine
    why = None if cell.is_ok else f"{cell.status}: {cell.reason or 'no reason recorded'}"
    return {"run_by": who, "run": run, "all": branches, "why": why}
