"""Axes of the report's plots: which quantities can be drawn, where they lie, and where their ticks are."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from bench.schema import metrics
from bench.schema.metrics import PERCENT, Metric
from bench.statistics.interval import Z95
from bench.statistics.jackknife import quantile
from bench.store.stored_cell import StoredCell

WIDTH, HEIGHT = 760.0, 460.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 24.0, 18.0, 54.0
FAR = 3.0


# What a plot's bars are. Around the plain distance they miss the true value by its bias (docs/uncertainty.md).
BARS = (
    "Bars along latency are 95 % intervals. Bars along quality are its spread over seeds (95 %, jackknife). "
    "They show where other seeds would put the value, not where the true value lies. "
    "The bias of few samples is in every setting's value and outside every bar. "
    "Two settings can differ although their bars overlap: verdicts are on paired differences without bias."
)
BARS_IN_SHORT = "bars: 95 % over seeds (rounds), bias not in them"


@dataclass(frozen=True)
class Measure:
    """A metric on the vertical axis."""

    metric: Metric

    @property
    def key(self) -> str:
        return self.metric.key

    @property
    def better(self) -> str:
        return self.metric.better

    def label(self, heading: str, reference: str) -> str:
        """The axis title with its unit and direction; `heading` stands for the Fréchet distance."""
        unit = f", {self.metric.unit}" if self.metric.unit not in ("", PERCENT) else ""
        return f"{self.metric.label.format(heading=heading, reference=reference)}{unit}, {self.better} is better"

    def value(self, cell: StoredCell) -> float | None:
        """The cell's value, None where it has none."""
        return cell.quality.value(self.key)

    def ends(self, cell: StoredCell) -> tuple[float, float] | None:
        """The ends of its bar (BARS), None where its error is not known."""
        quality, value, beside = cell.quality, self.value(cell), self.metric.beside
        if value is None:
            return None
        if "se" in beside:
            error = quality.value(f"{self.key}_se")
            half = _reach(len(quality.without_groups(self.key) or quality.without_groups("fd"))) * (error or 0.0)
            return (value - half, value + half) if half else None
        low, high = (quality.value(f"{self.key}_{end}") if end in beside else None for end in ("low", "high"))
        return None if low is None or high is None else (low, high)


@cache
def _reach(groups: int) -> float:
    """How many standard errors, from so many groups of samples, a bar is long to either side; Z95 where none are."""
    return quantile(groups) if groups > 1 else Z95


def measures() -> list[Measure]:
    """What the report plots: all metrics but those against each cell's own sampler, which no axis has in common."""
    return [Measure(metric) for metric in metrics.METRICS if metric.against != metrics.UNCACHED]


@dataclass(frozen=True)
class Scale:
    """From values to coordinates, linear or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool

    def __call__(self, value: float) -> float:
        """The coordinate of `value`; values beyond the ends land on them."""
        (a, b), v = self._ends, min(max(value, self.low), self.high)
        return self.start + (self.stop - self.start) * ((math.log(v) if self.log else v) - a) / (b - a)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)

    def ticks(self) -> list[float]:
        """Round values between the ends."""
        return _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high)


def far_off(values: Sequence[float], origin: float = 0.0, least: float = 0.0) -> float:
    """Above this a value is far worse than the many: FAR times as far from `origin` as nine in ten stay, or `least`."""
    nearly_all = sorted(values)[int(0.9 * len(values))] - origin
    return origin + FAR * max(nearly_all, least)


def scale(values: Sequence[float], start: float, stop: float, log: bool | None = None) -> Scale:
    """A scale around `values` with a margin; logarithmic if asked, or where they span more than a factor of 6."""
    low, high = min(values), max(values)
    if low <= 0:
        log = False
    elif log is None:
        log = high / low > 6
    forward, back = (math.log, math.exp) if log else (_same, _same)
    a, b = forward(low), forward(high)
    margin = 0.06 * (b - a) or 0.05 * abs(b) or 0.05
    return Scale(back(a - margin), back(b + margin), start, stop, bool(log))


def _same(value: float) -> float:
    return value


def _log_ticks(low: float, high: float) -> list[float]:
    choices: tuple[Callable[[int], list[float]], ...] = (
        lambda e: [10.0**e],
        lambda e: [10.0**e, 3 * 10.0**e],
        lambda e: [m * 10.0**e for m in (1, 2, 5)],
        lambda e: [m * 10.0**e for m in (1, 1.5, 2, 3, 4, 5, 7)],
    )
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for choice in choices:
        ticks = [tick for e in decades for tick in choice(e) if low <= tick <= high]
        if len(ticks) >= 4:
            return ticks
    return ticks if len(ticks) > 1 else _linear_ticks(low, high)


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
