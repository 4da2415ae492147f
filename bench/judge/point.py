"""Where a cell stands on the plot: its latency and its Fréchet distance, with what is known of their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.judge.latency import Latency, latencies, sampler_family
from bench.store.stored_cell import Name, StoredCell


@dataclass(frozen=True)
class Point:
    """One cell where it stands on the plot. `fd` [1 + G]: the estimate, then the G leave-one-group-out values."""

    key: Name
    family: tuple[Any, ...]  # the sampler with its parameters, without the number of steps
    cached: bool
    log_latency: float
    log_latency_se: float
    fd: np.ndarray
    fd_se: float
    known: Latency | None = None  # with what it shares with others; None: nothing

    @cached_property
    def corrected(self) -> float:
        """`fd` without bias where there are replicates, else the plain one."""
        groups = len(self.fd) - 1
        plain = float(self.fd[0])
        return groups * plain - (groups - 1) * float(self.fd[1:].mean()) if groups > 1 else plain

    @property
    def latency(self) -> Latency:
        return self.known or Latency(self.log_latency, self.log_latency_se, False)


def place(cells: Sequence[StoredCell]) -> list[Point]:
    """The points of one pool: cells that have both a Fréchet distance and a latency."""
    timed = timed_of(cells)
    pairs = zip(timed, latencies(timed), strict=True)
    return [_point(cell, latency) for cell, latency in pairs if cell.quality.value("fd") is not None]


def timed_of(cells: Sequence[StoredCell]) -> list[StoredCell]:
    return [cell for cell in cells if cell.timing.latency_ms]


def _point(cell: StoredCell, latency: Latency) -> Point:
    quality = cell.quality
    return Point(
        key=cell.name,
        family=sampler_family(cell),
        cached=cell.has_baseline,
        log_latency=latency.log,
        log_latency_se=latency.error,
        fd=np.array([quality.value("fd"), *quality.without_groups("fd")], dtype=float),
        fd_se=float(quality.value("fd_se") or 0.0),
        known=latency,
    )
