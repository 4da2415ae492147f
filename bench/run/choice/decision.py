"""The answer, from measured settings: what surely meets the goal and is best, and what cannot be told from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.run.choice.goal import ERROR, SPEEDUP, Goal
from bench.statistics.interval import Interval
from bench.suite.judging import DEFAULT


@dataclass(frozen=True)
class Setting:
    """One setting as measured, with 95 % intervals.

    `speedup` over the reference; `error` to the exact solution; `above`: of its Fréchet distance over the reference's,
    as a fraction of that, where it was asked for.
    """

    slug: str
    title: str
    speedup: Interval
    error: Interval
    above: Interval | None = None

    def asked(self, goal: Goal) -> Interval:
        """What the goal bounds."""
        if goal.kind == SPEEDUP:
            return self.speedup
        intervals = self.error if goal.kind == ERROR else self.above
        assert intervals is not None
        return intervals


@dataclass(frozen=True)
class Choice:
    """`chosen` is None where nothing surely meets the goal. `untold` may meet it, and may be better than the chosen."""

    chosen: Setting | None
    untold: list[Setting]


Worse = Callable[[Setting, Setting], bool]  # whether the first is surely worse than the second, paired


def decide(settings: Sequence[Setting], goal: Goal, slower: Worse, less_exact: Worse) -> Choice:
    """The fastest that surely meets a bound on error or distance; the least error that surely meets a speed-up.

    Of those that are as fast within the margin of verdicts, the most exact; of those as exact, the fastest.
    """
    if goal.kind == SPEEDUP:
        ordered, worse = sorted(settings, key=lambda s: s.error.value), less_exact
        surely = [s for s in ordered if s.speedup.low >= goal.bound]
        possible = [s for s in ordered if s.speedup.high >= goal.bound]
    else:
        ordered, worse = sorted(settings, key=lambda s: -s.speedup.value), slower
        surely = [s for s in ordered if s.asked(goal).high <= goal.bound]
        possible = [s for s in ordered if s.asked(goal).low <= goal.bound]
    chosen = best(surely, goal) if surely else None
    untold = [s for s in possible if s is not chosen and (chosen is None or not worse(s, chosen))]
    return Choice(chosen, untold)


def best(surely: Sequence[Setting], goal: Goal) -> Setting:
    """Of settings that meet the goal, best first."""
    first = surely[0]
    if goal.kind == SPEEDUP:
        as_exact = [s for s in surely if s.error.value <= first.error.value * (1 + DEFAULT.quality)]
        return max(as_exact, key=lambda s: s.speedup.value)
    as_fast = [s for s in surely if s.speedup.value * (1 + DEFAULT.latency) >= first.speedup.value]
    return min(as_fast, key=lambda s: s.asked(goal).value)
