"""Plans of `search`: some evaluations computed, the output of the others forecast from the last two computed ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from methods.plan import OUTPUT, Plan, Span

if TYPE_CHECKING:
    from models.structure import Structure

GREEDY, DYNAMIC = "greedy", "dynamic"  # how the computed evaluations were chosen


def forecasting(
    model: Structure, count: int, computed: Collection[int], slope: float, notes: dict[str, Any] | None = None
) -> Plan:
    """The plan of `count` evaluations that computes some and forecasts the others."""
    reuse = (Span(0, model.num_branches, OUTPUT, order=1, sigma=(slope / 2) ** 0.5),)  # linear term 2 σ² d
    return Plan(model.num_branches, tuple(() if k in computed else reuse for k in range(count)), notes or {})


def marks(computed: Collection[int], count: int) -> str:
    """`count` evaluations as a calibration holds them: 1 where computed, 0 where forecast."""
    return "".join(str(int(k in computed)) for k in range(count))


def evaluations(marked: str) -> list[int]:
    """The computed ones."""
    return [k for k, mark in enumerate(marked) if mark == "1"]


def share(computed: int, count: int, reuse: float) -> float:
    """Of the uncached latency, where a forecast takes `reuse` of the time of a computed evaluation."""
    return (computed + (count - computed) * reuse) / count
