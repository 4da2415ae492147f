"""The study of searched plans on what is known: invented errors, and budgets that nothing or everything fits in."""

from __future__ import annotations

import pytest

from bench.sampling import make_plan
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial
from bench.studies.search import Field, answer, plot, tables
from bench.suite.cells import Part
from methods.searching.forecast import DYNAMIC, GREEDY

SEEDS = [0.1, 0.12]


def against(ratio: float, half: float = 0.05) -> dict:
    """What errs `ratio` times as much as a rival."""
    interval = {"value": ratio, "low": ratio - half, "high": ratio + half}
    return {"time": 0.5, "steps": 25, "errors": [ratio * error for error in SEEDS], "ratio": interval}


def rival(method: str, same: float, finer: float | None) -> dict:
    ours = {f"same {by}": against(same) for by in (GREEDY, DYNAMIC)}
    ours |= {f"finer {by}": None if finer is None else against(finer) for by in (GREEDY, DYNAMIC)}
    return {"method": method, "setting": "one", "time": 0.6, "errors": SEEDS, **ours, "solver": against(0.9)}


@pytest.fixture
def data():
    return {
        "resolution": 0.01,
        "samplers": {"same": "ddim-50", "finer": "ddim-100"},
        "uncached": {"same": SEEDS, "finer": SEEDS},
        "seconds": {"same": 2.0, "finer": 4.0, "routers": [30.0, 50.0]},
        "rivals": [rival("L2C", 0.8, 0.6), rival("L2C", 0.68, 0.5), rival("FORA", 0.4, None)],
    }


def test_the_sentence_says_how_often_the_target_is_met(data):
    said = answer(data)
    assert "plans of ddim-50 end 0.68 to 0.80 times as far" in said
    assert "FORA's 0.40 to 0.40 and – times" in said
    assert "at most 0.7 times L2C's error is had against 1 and 2 of 2 routers, surely against 0 and 2" in said
    assert "a router takes 40.0 s" in said


def test_what_is_not_as_fast_is_a_dash(data):
    assert tables(data)[0].rows[2] == (
        "FORA, one", "60 %", "0.1100 [0.0000, 0.2471]", "0.40 [0.35, 0.45]", "–", "0.90 [0.85, 0.95]",
    )  # fmt: skip
    assert plot(data).axes


@pytest.fixture(scope="module")
def field():
    subject = Subject.named("dit-mnist")
    return Field(*(Trial(subject, Part("ddim", {"steps": steps}), 2, 10) for steps in (50, 100)))


def test_time_is_counted_in_that_of_the_rivals_sampler(field):
    times = [field.time(make_plan(field.model, trial.part.method, None)) for trial in field.trials.values()]
    assert times == pytest.approx([1.0, 2.0])


def test_no_plan_takes_less_than_the_fastest(field):
    assert field.search("same", GREEDY, 0.01) is None


def test_a_plan_takes_no_more_time_than_it_may(field, monkeypatch):
    monkeypatch.setattr(Trial, "errors", lambda trial, plan: [float(len(plan))])
    found = field.search("finer", GREEDY, 0.6)
    assert found["errors"] == [100.0]
    assert 0.4 < found["time"] <= 0.6
