"""Latencies in studies: measured in rounds of several processes, and errors compared where they are equal."""

from __future__ import annotations

import numpy as np
import pytest
from invented_times import session

from bench import plugins, studies
from bench.studies.lab.latency import UNCACHED, Times, measure
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial
from bench.studies.lab.ways import interpolated, no_slower, ratio_at_equal_time
from bench.suite.cells import Part
from bench.suite.protocol import Timing
from methods.plan import uncached


def entrants(model, *steps: int) -> dict:
    named = {UNCACHED if n == steps[0] else f"steps-{n}": n for n in steps}
    return {name: (Part("ddim", {"steps": n}), uncached(n, model.num_branches)) for name, n in named.items()}


@pytest.fixture(scope="module")
def measured():
    subject = Subject.named("dit-mnist")
    return measure(subject, entrants(subject.model, 16, 4), Timing(batch=1, rounds=6, seconds=0.0))


def test_every_plan_runs_in_every_round_of_two_processes(measured):
    assert [r["process"] for r in measured["rounds"]] == [0, 0, 0, 1, 1, 1]
    names = {UNCACHED, "steps-4", f"{UNCACHED} again"}
    assert all(r["wall_ns"].keys() == names and min(r["wall_ns"].values()) > 0 for r in measured["rounds"])


def test_fewer_evaluations_take_less_time(measured):
    known = Times(measured)
    ratio = known.ratio(UNCACHED, "steps-4")
    assert ratio["value"] > 1  # how surely depends on what else the machine does
    assert 0 < ratio["low"] <= ratio["value"] <= ratio["high"]
    assert known.milliseconds(UNCACHED) > known.milliseconds("steps-4") > 0
    assert dict(known.facts)["rounds"] == "6 in 2 processes"


def test_a_process_of_its_own_loads_the_plugins_again(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from methods.fora import Fora\n\n\nclass Mine(Fora):\n    name = 'mine-of-a-study'\n    title = 'Mine'\n"
    )
    plugins.require([str(file)])
    assert str(file) in plugins.loaded()


def test_no_ratio_is_known_better_than_a_plan_against_itself():
    content = session({"fast": 5.0})
    for n, one in enumerate(content["rounds"]):
        one["wall_ns"][f"{UNCACHED} again"] = round(one["wall_ns"][UNCACHED] * (1.1 if n % 2 else 0.9))
    known = Times(content)
    ratio = known.ratio("fast", UNCACHED)
    assert ratio["value"] == pytest.approx(0.5, rel=1e-3)
    assert ratio["high"] / ratio["value"] >= np.exp(known.resolution) > 1.05
    assert known.ratio("fast", "fast") == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_only_what_is_surely_no_slower_counts():
    known = Times(session({"rival": 5.0, "same": 5.0, "faster": 4.0}))
    found = [{"name": name} for name in ("same", "faster", UNCACHED)]
    assert [one["name"] for one in no_slower(found, {"name": "rival"}, known)] == ["faster"]


def test_errors_at_equal_time_lie_on_straight_lines_of_both_logarithms():
    errors = np.array([[4.0, 1.0], [1.0, 4.0]])
    assert interpolated(errors, np.log([0.5, 2.0])) == pytest.approx([2.0, 2.0])
    assert interpolated(errors, np.log([1.0, 4.0])) == pytest.approx([4.0, 1.0])


def point(name: str, error: float) -> dict:
    return {"name": name, "errors": [error, 1.1 * error]}


def test_an_interval_of_time_widens_that_of_errors():
    rivals = [point("slow", 1.0), point("quick", 4.0)]
    mine = point("mine", 1.0)
    steady, shaky = (
        ratio_at_equal_time(mine, rivals, Times(session({"slow": 8.0, "quick": 2.0, "mine": 4.0}, noise)))
        for noise in (1e-6, 0.05)
    )
    assert steady["value"] == pytest.approx(0.5, rel=1e-3)
    assert shaky["value"] == pytest.approx(0.5, rel=0.1)
    assert shaky["high"] - shaky["low"] > 0.02 > steady["high"] - steady["low"]


def test_outside_of_the_rivals_times_there_is_nothing_to_compare():
    known = Times(session({"slow": 8.0, "quick": 4.0, "mine": 2.0}))
    assert ratio_at_equal_time(point("mine", 1.0), [point("slow", 1.0), point("quick", 4.0)], known) is None


def test_seeds_may_begin_anywhere():
    subject, part = Subject.named("dit-mnist"), Part("ddim", {"steps": 4})
    whole, later = Trial(subject, part, 3, 20), Trial(subject, part, 2, 20, first=1)
    assert later.errors(None) == pytest.approx(whole.errors(None)[1:], rel=1e-4)


class Begun(Exception):
    """A step is about to be measured."""


@pytest.mark.parametrize("name", ["search", "beyond-two-steps"])
def test_latencies_are_the_first_step_so_that_a_short_quiet_time_is_enough(name):
    def step(step_name, measure):
        raise Begun(step_name)

    study = studies.load(name)
    with pytest.raises(Begun, match=r"^times$"):
        study.run(Subject.named("dit-mnist"), study.QUICK, step)
