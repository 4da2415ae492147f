"""The study of searched plans on what is known: invented errors and latencies, and the plans of a calibration."""

from __future__ import annotations

from itertools import pairwise

import pytest
from invented_times import session

from bench.studies.lab.searched import Contest
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial
from bench.studies.search import FULL, answer, judged, plot, tables
from bench.suite.cells import Part
from methods.searching.forecast import DYNAMIC, GREEDY

SEEDS = [0.1, 0.12, 0.11]


def plan(sampler: str, by: str, computed: int, error: float, expected: float | None = None) -> dict:
    """A plan whose error is a multiple of the rivals'; expected is as much unless it says otherwise."""
    errors = [error * one for one in SEEDS]
    said = {"sampler": sampler, "by": by, "computed": computed, "expected": expected or error}
    return {"name": f"{sampler}-{by}-{computed}", **said, "errors": errors}


@pytest.fixture
def data():
    rivals = [{"name": f"{method}-{n}", "method": method, "setting": "one", "errors": SEEDS}
              for method, n in (("L2C", 0), ("L2C", 1), ("FORA", 0))]  # fmt: skip
    plans = [
        plan("same", GREEDY, 20, 0.8), plan("same", GREEDY, 30, 0.66, expected=0.9), plan("same", DYNAMIC, 20, 0.9),
        plan("finer", GREEDY, 20, 0.6), plan("finer", GREEDY, 30, 0.4), plan("finer", GREEDY, 50, 0.1),
    ]  # fmt: skip
    solver = [{"name": f"solver-{steps}", "steps": steps, "errors": [0.9 * one for one in SEEDS]} for steps in (10, 20)]
    latencies = {"L2C-0": 5.0, "L2C-1": 7.0, "FORA-0": 3.0, "solver-10": 2.0, "solver-20": 4.0}
    latencies |= {p["name"]: p["computed"] / 5 for p in plans if p["by"] == GREEDY}
    return {
        "samplers": {"same": "ddim-50", "finer": "ddim-100"},
        "resolution": 0.01,
        "uncached": {"same": SEEDS, "finer": SEEDS},
        "seconds": {"same": 2.0, "finer": 4.0, "routers": [30.0, 50.0]},
        "rivals": rivals,
        "plans": plans,
        "solver": solver,
        "times": session(latencies),
    }


def test_the_plan_of_least_expected_error_in_no_more_time_is_taken(data):
    found = judged(data)
    taken = [[one[key] and one[key]["name"] for key in ("same", "finer", "solver")] for one in found]
    assert taken == [
        ["same-greedy-20", "finer-greedy-20", "solver-20"],
        ["same-greedy-20", "finer-greedy-30", "solver-20"],  # a plan that only turned out better is not chosen for that
        [None, None, "solver-10"],
    ]


def test_the_sentence_says_how_often_the_target_is_met(data):
    assert answer(data) == (
        "On 3 fresh seeds and in no more measured time, plans of ddim-100 surely beat L2C in 2 of 2, SmoothCache in 0 "
        "of 0, FORA in 0 of 0 settings, with 0.40 [0.40, 0.40] to 0.60 [0.60, 0.60] of L2C's error (surely at most 0.7 "
        "in 2 of 2) after 10 % of a router's training time; plans of ddim-50 have 0.80 [0.80, 0.80] to 0.80 [0.80, "
        "0.80] of L2C's error (surely at most 0.7 in 0 of 2) after 5 % of a router's training time."
    )


def test_where_no_plan_is_as_fast_that_is_said(data):
    data["plans"] = data["plans"][:3]
    assert "with no plan as fast as L2C, after 10 % of a router's training time" in answer(data)


def test_what_is_not_as_fast_is_a_dash(data):
    assert tables(data)[0].rows[2] == (
        "FORA, one", "30 % [30, 30]", "0.1100 [0.0752, 0.1448]", "–", "–", "0.90 [0.90, 0.90]",
    )  # fmt: skip
    assert [row[1:] for row in tables(data)[1].rows] == [("0.0880", "0.0990"), ("0.0726", "–")]
    assert plot(data).axes


@pytest.fixture(scope="module")
def contest():
    subject = Subject.named("dit-mnist")
    return Contest(*(Trial(subject, Part("ddim", {"steps": steps}), 2, 10) for steps in (50, 100)))


def test_plans_compute_more_and_more_and_never_more_than_the_rivals_sampler(contest):
    ways = contest.plans(apart=5)
    assert {(way.said["sampler"], way.said["by"]) for way in ways} == {
        (key, by) for key in ("same", "finer") for by in (GREEDY, DYNAMIC)
    }
    for key in ("same", "finer"):
        computed = [way.said["computed"] for way in ways if way.name.startswith(f"{key}-{GREEDY}")]
        assert 10 <= computed[0] < computed[-1] <= 50
        assert all(b - a >= 5 for a, b in pairwise(computed))
    for way in ways:
        assert len(way.plan) == (50 if way.said["sampler"] == "same" else 100)
        assert sum(not row for row in way.plan.rows) == way.said["computed"]


def test_rivals_are_of_every_method(contest):
    assert [way.name for way in contest.rivals(most=1)] == ["L2C-0", "SmoothCache-0", "FORA-0"]
    assert len(contest.rivals(most=100)) == 5 + 3 + 3


def test_the_judged_seeds_were_never_tuned_on():
    judged_on = range(FULL.first, FULL.first + FULL.seeds)
    assert len(judged_on) >= 100
    assert judged_on.start > 1_000_010  # suites and studies begin at 0, calibrations take ten from 1,000,000 on
