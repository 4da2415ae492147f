"""How long timing takes at least: the sessions of every model, by docs/protocol.md and the MACs of their settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from bench.measure.timing.session import MIN_ROUNDS
from bench.store.sessions import PROCESSES
from bench.suite.cells import Cell
from bench.suite.protocol import Timing

MIN_WARM_UP = 2  # rounds of a process (bench/measure/timing/rounds.py)
Planned = tuple[Cell, int | None]  # with the MACs of one image, None where they are not known


def timing_hours(planned: Iterable[Planned], macs_per_s: float) -> float:
    """Of all sessions, where settings run at that rate; second runs of references (A/A) are not counted."""
    sessions: dict[tuple[str, Timing, int], list[int]] = defaultdict(list)
    for cell, macs in planned:
        rules = cell.protocol.timing
        for batch in (rules.batch, *rules.more_batches):
            if macs is not None:
                sessions[cell.model, rules, batch].append(macs)
    seconds = (
        session_seconds(rules, batch * sum(macs) / macs_per_s, len(macs))
        for (_, rules, batch), macs in sessions.items()
    )
    return sum(seconds) / 3600


def session_seconds(rules: Timing, round_s: float, settings: int) -> float:
    """Of one session whose rounds take `round_s`: the time that its settings have, within fewest and most rounds."""
    warm_up = PROCESSES * MIN_WARM_UP
    fewest = warm_up + min(rules.rounds, PROCESSES * MIN_ROUNDS)
    return min(max(rules.seconds * settings, fewest * round_s), (warm_up + rules.rounds) * round_s)
