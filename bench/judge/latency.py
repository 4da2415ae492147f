"""Latencies that can be compared between cells: ratios taken within rounds, never the machine's pace from cell to cell.

Settings of one session ran in the same rounds, so any two have a paired ratio (bench/judge/latency_axis.py). Without a
session's rounds, as in results of protocol 3, ratios form a chain: a cached cell was timed beside the same sampler
uncached, and that one, in a cell of its own, beside the suite's reference. So
log L = log L_reference + log(uncached / reference) + log(cell / uncached), where L_reference, the median over all its
cells, is common to all and no error of any difference between them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.judge.chain import chained
from bench.judge.latency_axis import paired_axis
from bench.statistics.interval import Z95
from bench.statistics.simultaneous import Axis
from bench.store.parts import MedianInterval
from bench.store.stored_cell import StoredCell

LEVEL = 0.95  # of every interval
REFERENCE = ("the suite's reference",)
Sampler = tuple[Any, ...]  # a sampler with all of its parameters and its steps


@dataclass(frozen=True)
class Latency:
    """Of one batch: the logarithm of its milliseconds, and its standard error in a comparison with the reference.

    A comparison of two knows what they share (`error_of`): `parts` [K] of the errors of one session's settings, whose
    differences are those of their parts, and `rest`, which is this setting's alone; on a chain `root_error`, of all
    that were timed beside the sampler `root`.
    """

    log: float
    error: float
    paired: bool  # with the reference; else a cell's own median, and its error includes the drift
    root: Sampler | None = None
    root_error: float = 0.0
    parts: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
    rest: float = 0.0

    @cached_property
    def own(self) -> float:
        """What the error is apart from the root's."""
        return math.sqrt(max(self.error**2 - self.root_error**2, 0.0))

    def interval(self) -> tuple[float, float, float]:
        """Low end, value and high end in ms."""
        half = Z95 * self.error
        return math.exp(self.log - half), math.exp(self.log), math.exp(self.log + half)


def error_of(latency: Latency, terms: Sequence[tuple[float, Latency]]) -> float:
    """Standard error of a log latency minus the weighted sum of others': what they share cancels, and counts once."""
    weighted = [(1.0, latency), *((-w, other) for w, other in terms)]
    parts = [w * t.parts for w, t in weighted if t.parts is not None]
    if len(parts) == len(weighted):
        alone: dict[int, float] = defaultdict(float)  # by the latency, which may stand on both sides
        for w, t in weighted:
            alone[id(t)] += w * t.rest
        return math.hypot(float(np.linalg.norm(np.sum(parts, axis=0))), *alone.values())
    shared: dict[Sampler | None, float] = defaultdict(float)
    for w, t in weighted:
        shared[t.root] += w * t.root_error
    return math.hypot(*(w * t.own for w, t in weighted), *shared.values())


class PairErrors:
    """Errors of the differences between any two of the latencies [S] of one pool."""

    def __init__(self, known: Sequence[Latency]) -> None:
        self.known = known
        self.parts = [one.parts for one in known if one.parts is not None]
        roots = {root: number for number, root in enumerate(dict.fromkeys(one.root for one in known))}
        self.roots = np.array([-1 if one.root is None else roots[one.root] for one in known])
        self.errors, self.own = (np.array([getattr(one, name) for one in known]) for name in ("error", "own"))

    @cached_property
    def axis(self) -> Axis | None:
        """Of one session's settings; None where some are on a chain."""
        if len(self.parts) < len(self.known):
            return None
        rest = np.array([one.rest for one in self.known])
        return Axis(np.zeros(len(rest)), np.array(self.parts).T, own=rest)

    def of(self, rows: slice) -> NDArray[np.float64]:
        """[R,S]: those of some of them to all."""
        if self.axis is not None:
            found, ids = self.axis.errors_of(rows), np.array([id(one) for one in self.known])
            found[ids[rows, None] == ids] = 0.0
            return found
        same = (self.roots[rows, None] == self.roots) & (self.roots >= 0)
        apart = np.hypot(self.errors[rows, None], self.errors)
        return np.where(same, np.hypot(self.own[rows, None], self.own), apart)


def latencies(cells: Sequence[StoredCell]) -> list[Latency]:
    """One for each of the cells, which are all timed and of one pool (bench.judge.pareto.pools)."""
    axis = paired_axis(cells)
    if axis is not None:
        return _of_axis(cells, axis)
    spread, roots = drift(cells), _roots(cells)
    return [_chained(cell, roots) or _alone(cell, spread) for cell in cells]


def _of_axis(cells: Sequence[StoredCell], axis: Axis) -> list[Latency]:
    """At the level in ms that fits most cells' own medians; errors as wide as Student's t makes their intervals."""
    level = float(np.median([_own(cell) - value for cell, value in zip(cells, axis.values, strict=True)]))
    wider = axis.pointwise(LEVEL) / Z95
    rests = wider * np.broadcast_to(axis.own, axis.values.shape)
    return [
        Latency(level + float(value), math.hypot(float(np.linalg.norm(own)), rest), True, parts=own, rest=float(rest))
        for value, own, rest in zip(axis.values, wider * axis.deviations.T, rests, strict=True)
    ]


def _own(cell: StoredCell) -> float:
    assert cell.timing.latency_ms is not None, "only timed cells come here"
    return math.log(cell.timing.latency_ms.median)


def latency_axis(cells: Sequence[StoredCell]) -> Axis:
    """Log latencies [S] of timed cells of one pool, so that any two have a paired difference; up to a common level."""
    return paired_axis(cells) or chain_axis(cells)


def chain_axis(cells: Sequence[StoredCell]) -> Axis:
    """Log latencies in ms [S] from stored ratios; those on no chain have errors of their own."""
    spread, roots = drift(cells), _roots(cells)
    levels = [_chained(cell, roots) or _alone(cell, spread) for cell in cells]
    keys = list(dict.fromkeys(latency.root for latency in levels))
    errors = {latency.root: latency.root_error for latency in levels}
    return chained(
        np.array([keys.index(latency.root) for latency in levels], dtype=int),
        np.zeros(len(keys)),
        np.array([errors[key] for key in keys]),
        np.array([latency.log for latency in levels]),
        np.array([latency.own for latency in levels]),
    )


def _roots(cells: Sequence[StoredCell]) -> dict[Sampler, Latency]:
    """The uncached samplers' latencies on the chain. Empty where it has no beginning, or more than one."""
    uncached = [cell for cell in cells if not cell.has_baseline]
    references = [cell for cell in uncached if cell.timing.reference_ms is None]
    keys = {REFERENCE, *map(sampler, references)}
    seen = [math.log(own.median) for cell in references if (own := cell.timing.latency_ms)]
    seen += [log for key, log in _observed(cells) if key in keys]
    if len(references) > 1 or not seen:
        return {}
    level = float(np.median(seen))
    roots = {key: Latency(level, 0.0, True, key) for key in map(sampler, references)}
    for cell in uncached:
        if (ratio := cell.timing.speedup_reference) is not None:
            error, key = ratio_error(cell, ratio), sampler(cell)
            roots[key] = Latency(level - math.log(ratio.median), error, True, key, error)
    return roots


def _chained(cell: StoredCell, roots: dict[Sampler, Latency]) -> Latency | None:
    root, ratio = roots.get(sampler(cell)), cell.timing.speedup
    if root is None or not cell.has_baseline:
        return root
    if ratio is None:
        return None
    error = math.hypot(root.error, ratio_error(cell, ratio))
    return Latency(root.log - math.log(ratio.median), error, True, root.root, root.error)


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
    return cell.sampler.family


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
