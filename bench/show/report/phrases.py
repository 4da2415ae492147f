"""Numbers as a reader meets them in a sentence: with their unit, their interval and the right plural."""

from typing import Any

from bench.show.report.format import figure, plus_minus, signed
from bench.show.report.group import Group
from bench.store.stored_cell import StoredCell

NAMED = 50  # at most, in one sentence or line


def band(ends: tuple[float, float]) -> str:
    """An interval of ratios around 1 as per cent."""
    low, high = (f"{100 * (end - 1):+.1f}".replace("-", "−") for end in ends)
    return f"{low} to {high} %"


def distance(group: Group, cell: StoredCell) -> str:
    return f"{group.distance} {plus_minus(cell.quality.value('fd'), cell.quality.value('fd_se'))}"


def gap(group: Group, cell: StoredCell) -> str:
    v = group.verdict(cell)
    return f"{signed(v['fd_gap'])} [{signed(v['fd_gap_low'])}, {signed(v['fd_gap_high'])}] {group.distance}"


def ms(group: Group, cell: StoredCell) -> str:
    return f"{figure(group.latency(cell)[1])} ms"


def spread(values: list[float]) -> str:
    if not values:
        return ""
    low, high = figure(min(values)), figure(max(values))
    return f"{low}×" if low == high else f"{low}× to {high}×"


def ranked(verdict: dict[str, Any], name: str, unit: str = "") -> str:
    """A number of bench.judge.ranking with its interval, `…` where that is open."""
    if verdict.get(name) is None:
        return ""
    low, high = ("…" if (end := verdict.get(f"{name}_{side}")) is None else figure(end) for side in ("low", "high"))
    return f"{figure(verdict[name])}{unit} [{low}, {high}]"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def be(number: int) -> str:
    return "is" if number == 1 else "are"


def some(names: list[str]) -> list[str]:
    """The first of many names, and how many more there are."""
    return names if len(names) <= NAMED else [*names[:NAMED], f"{len(names) - NAMED:,} more"]


def joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
