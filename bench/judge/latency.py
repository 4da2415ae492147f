"""Latencies that can be compared between cells: ratios taken within rounds, chained to the suite's reference.

A machine's pace changes from cell to cell by more than many differences that matter. Ratios within rounds do not feel
it, and they form a chain: a cached cell was timed beside the same sampler uncached, and that one, in a cell of its own,
beside the suite's reference. So log L = log L_reference + log(uncached / reference) + log(cell / uncached), where
L_reference, the median over all its cells, is common to all and no error of any difference between them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.judge.chain import chained
from bench.judge.latency_axis import paired_axis
from bench.statistics.interval import Z95
from bench.statistics.simultaneous import Axis
from bench.store.parts import MedianInterval
from bench.store.stored_cell import StoredCell

REFERENCE = ("the suite's reference",)
Sampler = tuple[Any, ...]  # a sampler with all of its parameters and its steps


@dataclass(frozen=True)
class Latency:
    """Of one batch: the logarithm of its milliseconds, and its standard error in a comparison with another cell."""

    log: float
    error: float
    paired: bool  # chained to the reference; else a cell's own median, and its error includes the drift

    def interval(self) -> tuple[float, float, float]:
        """Low end, value and high end in ms."""
        half = Z95 * self.error
        return math.exp(self.log - half), math.exp(self.log), math.exp(self.log + half)


def latency_axis(cells: Sequence[StoredCell]) -> Axis:
    """Log latencies [S] of timed cells of one pool, so that any two have a paired difference; up to a common level."""
    return paired_axis(cells) or chain_axis(cells)


def chain_axis(cells: Sequence[StoredCell]) -> Axis:
    """Log latencies in ms [S] from stored ratios: what two cells chained to one uncached sampler share cancels."""
    roots, spread = _roots(cells), drift(cells)
    known = list(roots)
    root, own, root_logs, root_errors = [], [], [r.log for r in roots.values()], [r.error for r in roots.values()]
    for cell in cells:
        ratio = cell.timing.speedup if cell.is_cached else None
        if sampler(cell) in roots and (ratio is not None or not cell.is_cached):
            root.append(known.index(sampler(cell)))
            own.append((-math.log(ratio.median), ratio_error(cell, ratio)) if ratio else (0.0, 0.0))
        else:  # on no chain: a root of its own
            alone = _alone(cell, spread)
            root.append(len(root_logs))
            root_logs.append(alone.log)
            root_errors.append(alone.error)
            own.append((0.0, 0.0))
    logs, errors = np.array(own).reshape(-1, 2).T
    return chained(np.array(root, dtype=int), np.array(root_logs), np.array(root_errors), logs, errors)


def latencies(cells: Sequence[StoredCell]) -> list[Latency]:
    """One for each of the cells, which are all timed and of one pool (bench.judge.pareto.pools)."""
    spread, roots = drift(cells), _roots(cells)
    return [_chained(cell, roots) or _alone(cell, spread) for cell in cells]


def _roots(cells: Sequence[StoredCell]) -> dict[Sampler, Latency]:
    """The uncached samplers' latencies on the chain. Empty where it has no beginning, or more than one."""
    uncached = [cell for cell in cells if not cell.is_cached]
    references = [cell for cell in uncached if cell.timing.reference_ms is None]
    keys = {REFERENCE, *map(sampler, references)}
    seen = [math.log(own.median) for cell in references if (own := cell.timing.latency_ms)]
    seen += [log for key, log in _observed(cells) if key in keys]
    if len(references) > 1 or not seen:
        return {}
    level = float(np.median(seen))
    roots = {sampler(cell): Latency(level, 0.0, True) for cell in references}
    for cell in uncached:
        if (ratio := cell.timing.speedup_reference) is not None:
            roots[sampler(cell)] = Latency(level - math.log(ratio.median), ratio_error(cell, ratio), True)
    return roots


def _chained(cell: StoredCell, roots: dict[Sampler, Latency]) -> Latency | None:
    root, ratio = roots.get(sampler(cell)), cell.timing.speedup
    if root is None or not cell.is_cached:
        return root
    if ratio is None:
        return None
    return Latency(root.log - math.log(ratio.median), math.hypot(root.error, ratio_error(cell, ratio)), True)


def _alone(cell: StoredCell, spread: float) -> Latency:
    latency = cell.timing.latency_ms
    assert latency is not None, "only timed cells come here"
    return Latency(math.log(latency.median), math.hypot(latency.log_error, spread), False)


def ratio_error(cell: StoredCell, ratio: MedianInterval) -> float:
    """Standard error of a ratio's logarithm; no ratio is known better than the cell's own A/A ratio."""
    return max(ratio.log_error, (cell.timing.resolution or ratio).log_error)


def sampler(cell: StoredCell) -> Sampler:
    """The sampler with all of its parameters."""
    return (*sampler_family(cell), cell.sampler.steps)


def sampler_family(cell: StoredCell) -> Sampler:
    """The sampler apart from its number of steps: what a fewer-steps curve holds fixed."""
    return (cell.sampler.name, *sorted((k, str(v)) for k, v in cell.sampler.params.items() if k != "steps"))


def drift(cells: Iterable[StoredCell]) -> float:
    """Standard deviation of log latency between cells that timed the same sampler; 0 if none did twice.

    That is the baseline of cached cells, and the suite's reference in uncached ones.
    """
    groups: dict[Sampler, list[float]] = defaultdict(list)
    for key, log in _observed(cells):
        groups[key].append(log)
    squares = sum(float(np.var(g)) * len(g) for g in groups.values())
    freedom = sum(len(g) - 1 for g in groups.values())
    return math.sqrt(squares / freedom) if freedom else 0.0


def _observed(cells: Iterable[StoredCell]) -> Iterable[tuple[Sampler, float]]:
    """What was timed beside the cells' methods, and the logarithm of its milliseconds."""
    for cell in cells:
        for latency, key in ((cell.timing.baseline_ms, sampler(cell)), (cell.timing.reference_ms, REFERENCE)):
            if latency is not None:
                yield key, math.log(latency.median)
