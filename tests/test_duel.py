"""Duels of a gate: both sides timed side by side, how often is looked, and which clock counts."""

from __future__ import annotations

from pathlib import Path

import cell_factory
import pytest

from bench.judge.change import from_logs
from bench.judge.gate.decision import FAIL, PASS, UNRESOLVED, Unable, confirmed, outcome
from bench.judge.gate.duel import MIN_ROUNDS, Duel, checkout
from bench.store.stored_cell import stored
from models.errors import InputError

REPOSITORY = Path(__file__).resolve().parent.parent


def test_an_alarm_is_measured_again_and_the_longer_measurement_counts():
    asked = []

    def measure(seconds: float):
        asked.append(seconds)
        return from_logs("latency", 0.2 if len(asked) == 1 else 0.0, 0.01)

    assert confirmed(measure, 2.0).factor == 1.0
    assert asked == [2.0, 6.0]


@pytest.mark.parametrize(("last", "verdict"), [(0.01, PASS), (0.2, FAIL), (0.07, UNRESOLVED)])
def test_of_three_looks_the_last_counts(last, verdict):
    logs = iter([(0.2, 0.01), (0.07, 0.05), (last, 0.01)])
    assert outcome(confirmed(lambda _: from_logs("latency", *next(logs)), 2.0))[0] == verdict


def test_a_slow_down_that_two_looks_find_certain_is_not_looked_at_for_longer():
    asked = []
    assert outcome(confirmed(lambda s: asked.append(s) or from_logs("latency", 0.2, 0.01), 2.0))[0] == FAIL
    assert asked == [2.0, 6.0]


def test_every_look_adds_to_the_rounds_before_it():
    duel = Played(1.0, 1.0)
    duel.look(0.0)
    duel.look(0.0)
    assert len(duel.rounds) == 2 * MIN_ROUNDS


def test_a_duel_times_both_sides_of_a_real_cell():
    """Same code on both sides: the ratio is positive and finite; nothing is asserted of time itself."""
    cell = cell_factory.cell(steps=2, cache="fora", interval=2)
    cell["settings"]["batch"] = 1
    with Duel(REPOSITORY, REPOSITORY) as duel:
        duel.begin(stored(cell))
        change = duel.look(0.01)
        with pytest.raises(Unable, match=r"base cannot run it.*no-such"):
            duel.begin(stored(cell | {"model": "no-such"}))
    assert 0 < change.low <= change.factor <= change.high < float("inf")


def test_a_checkout_of_an_unknown_commit_is_one_line():
    with pytest.raises(InputError, match=r"--base-ref: .*no-such-ref"), checkout("no-such-ref"):
        pass


class Played(Duel):
    """A duel whose rounds are given: head's times over base's, by each clock."""

    def __init__(self, processor: float, wall: float) -> None:
        self.sides, self.rounds = {}, []
        self.head = {"processor": processor, "wall": wall}

    def round(self) -> dict:
        return {"base": dict.fromkeys(self.head, 1000), "head": {c: round(1000 * f) for c, f in self.head.items()}}


@pytest.mark.parametrize(
    ("processor", "wall", "judged_by"),
    [(1.0, 1.05, "processor time"), (1.15, 1.15, "wall time"), (1.15, 1.0, "processor time"), (1.0, 1.2, "wall time")],
)
def test_a_duel_goes_by_processor_time_unless_the_head_certainly_waits(processor, wall, judged_by):
    change = Played(processor, wall).look(0.0)
    assert change.measure == judged_by
    assert change.factor == pytest.approx(processor if judged_by == "processor time" else wall)
