"""The `timing` of a cell: its method and its baseline, the same sampler uncached, in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench.timing import BASELINE, METHOD, Budget, measure_pair

if TYPE_CHECKING:
    from bench.worker import Task

FEWEST_ROUNDS = 5  # however slow a trajectory is; a suite may ask for fewer


def measure_timing(task: Task, trajectories: Mapping[str, Callable[[], object]], macs_ratio: float) -> dict[str, Any]:
    """Time trajectories["method"] against trajectories["baseline"] under the cell's protocol.

    `macs_ratio` is the plan's MACs as a fraction of the baseline's; its inverse is the MAC-ideal speed-up.
    An uncached cell is its own baseline and has neither speed-up.
    """
    rules, settings = task.cell.protocol.timing, task.settings
    cached = task.cell.cache is not None
    budget = Budget(min(FEWEST_ROUNDS, rules.rounds), rules.rounds, rules.seconds)
    timing = measure_pair(
        trajectories[METHOD],
        trajectories[BASELINE] if cached else None,
        budget=budget,
        device=settings.device,
        threads=settings.threads,
    )
    return {"batch": rules.batch, **timing, "speedup_ideal": 1 / macs_ratio if cached else None}
