"""Verdicts, simultaneous intervals, the fewer-steps curve and areas, against simulations whose truth is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import stdtr

from bench.benchmarks import committed_verdicts, fidelity_verdicts
from bench.benchmarks import verdicts as study
from bench.judge.chain import chained
from bench.judge.curve import Curve
from bench.judge.decided import decisions
from bench.judge.hypervolume import dominated_area, hypervolume
from bench.judge.verdict import Margins, certain, decided, headline, simultaneous, threshold, verdicts
from bench.statistics import simultaneous as simultaneous_module
from bench.statistics.jackknife import paired_difference
from bench.statistics.simultaneous import Axis, from_covariance, from_jackknife, from_repetitions
from bench.store.results import read_results
from models.errors import InputError

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "results" / "benchmarks" / "verdicts.json"


def sure(*values):
    """An axis whose values are known but for rounding."""
    return from_covariance(np.array(values), 1e-12 * np.eye(len(values)))


def judged(latency, quality, reference=0, margin=0.1):
    margins = Margins(margin)
    head = headline(latency, quality, reference, margins)
    return head, verdicts(latency, quality, certain(latency, quality, margins), margins, head.setting)


def test_every_word():
    """Reference; twice as fast and as good; slower than that and as good; faster still and far worse."""
    head, found = judged(sure(0.0, -0.7, -0.3, -2.0), sure(2.0, 2.05, 2.1, 5.0))
    assert (head.setting, head.faster) == (1, [])
    assert head.speedup[0] == pytest.approx(np.exp(0.7))
    assert head.above == pytest.approx(0.05, abs=1e-4)
    assert [(v.word, v.by) for v in found] == [
        ("worth", []), ("use", []), ("replaceable", [1]), ("worth", [])
    ]  # fmt: skip
    assert decided(found) == 4
    assert judged(sure(0.0), sure(1.0))[1][0].word == "alone"


def test_what_cannot_be_told_apart_is_undecided_and_names_its_rivals():
    blurred = from_covariance(np.array([2.0, 2.1, 2.2]), 0.3**2 * np.eye(3))
    head, found = judged(sure(0.0, -0.7, -1.0), blurred)
    assert head.setting == 0
    assert head.faster == [2, 1]
    assert [(v.word, v.by) for v in found] == [("use", []), ("undecided", [2]), ("worth", [])]


def test_two_that_could_replace_each_other_are_both_worth_their_time():
    latency, quality = sure(0.0, -1.0, -1.01), sure(0.0, 1.0, 1.05)
    replaces = certain(latency, quality, Margins(0.1)).replaces(Margins(0.1))
    assert replaces[1, 2]
    assert replaces[2, 1]
    assert [v.word for v in judged(latency, quality)[1]] == ["use", "worth", "worth"]


def test_a_margin_out_of_range_is_refused():
    with pytest.raises(InputError, match="margin: 'quality' must be a number of at least 0, got -1"):
        Margins(-1)
    with pytest.raises(InputError, match="2 latencies but 3 qualities"):
        verdicts(sure(0, 1), sure(0, 1, 2), certain(sure(0, 1), sure(0, 1), Margins(1)), Margins(1))


def test_the_threshold_is_that_of_benjamini_and_hochberg():
    assert threshold(np.array([1e-9] * 10)) == pytest.approx(0.035)
    assert threshold(np.array([1e-9] + [0.5] * 9)) == pytest.approx(0.0035)
    assert threshold(np.array([0.5] * 10)) == pytest.approx(0.0035)


def test_gaps_of_an_axis_are_paired_differences():
    rng = np.random.default_rng(0)
    values, replicates = rng.normal(size=3), rng.normal(size=(32, 3))
    axis = from_jackknife(values, replicates)
    pair = paired_difference(replicates[:, 0], replicates[:, 2], (values[0], values[2]))
    assert axis.gaps[0, 2] == pytest.approx(pair.corrected)
    assert axis.errors[0, 2] == pytest.approx(pair.standard_error)
    low, high = axis.ends(axis.pointwise(0.95))
    assert (low[0, 2], high[0, 2]) == pytest.approx((pair.low, pair.high))
    assert (low[1, 1], high[1, 1]) == (0, 0)
    assert axis.chance_below(pair.high)[0, 2] == pytest.approx(0.025)


def test_simultaneous_intervals_hold_all_at_once():
    """Ten settings that share most of their noise, judged from 33 rows: 95 % of repeats have no gap outside."""
    rng = np.random.default_rng(1)
    truth, found = np.linspace(0, 1, 10), {"at once": [], "alone": []}
    critical = None
    for _ in range(120):
        rows = truth + rng.normal(size=(33, 1)) + rng.normal(size=(33, 10)) * np.linspace(0.1, 1, 10)
        axis = from_repetitions(rows)
        critical = critical or {"at once": axis.critical(0.95), "alone": axis.pointwise(0.95)}
        for name, value in critical.items():
            low, high = axis.ends(value)
            gaps = truth[:, None] - truth
            found[name].append(((low <= gaps + 1e-9) & (gaps <= high + 1e-9)).all())
    assert 0.9 <= np.mean(found["at once"]) < 1
    assert np.mean(found["alone"]) < 0.8


def test_a_root_counts_once():
    """Two cached settings of one sampler: the sampler's own error is none of their difference."""
    axis = chained(np.array([0, 0, 1]), np.array([0.0, -0.5]), np.array([0.05, 0.04]),
                   np.array([-0.3, -0.4, -0.1]), np.array([0.01, 0.02, 0.03]))  # fmt: skip
    np.testing.assert_allclose(axis.values, [-0.3, -0.4, -0.6])
    assert axis.errors[0, 1] == pytest.approx(np.hypot(0.01, 0.02))
    assert axis.errors[0, 2] == pytest.approx(np.sqrt(0.05**2 + 0.04**2 + 0.01**2 + 0.03**2))
    with pytest.raises(InputError, match=r"0\.\.0"):
        chained(np.array([1]), np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1))


def test_the_monotone_curve_flatters_less_than_a_chord():
    """A distance of 2 + 60/N² at the suites' step counts: between knots the chord lies up to 0.05 above it."""
    steps = np.array([5, 6, 8, 10, 15, 20, 25, 30, 40, 50])
    x, y = np.log(steps), 2 + 60 / steps**2
    between = [7, 9, 12, 13, 17, 22, 35]
    truth = [2 + 60 / n**2 for n in between]
    chord = np.interp(np.log(between), x, y) - truth
    curve = np.array([float(Curve(x, y).at(np.log(n))) for n in between]) - truth
    assert (chord > 0).all()
    assert np.abs(curve).max() < 0.5 * chord.max()
    assert np.abs(curve).sum() < 0.4 * chord.sum()


def test_the_curve_is_monotone_and_has_ends():
    x, y = np.log([5.0, 10, 20, 50]), np.array([4.0, 2, 2, 1])
    values = [float(Curve(x, y).at(at)) for at in np.linspace(x[0], x[-1], 200)]
    assert (np.diff(values) <= 1e-12).all()
    assert Curve(x, y).at(x[0] - 0.1) is None
    assert Curve(x, y).at(99.0) == 1
    assert Curve(x, y).slope(x[0] + 0.1) < 0
    many = Curve(x, np.stack([y, y + 1], axis=1)).at(2.0)
    assert many[1] - many[0] == pytest.approx(1)
    with pytest.raises(InputError, match="rising"):
        Curve(x[::-1], y)


def test_areas_of_what_is_known():
    """Twice as fast at half the reference's distance above it; and what is as far off as the unit."""
    latency, quality = sure(0.0, -np.log(2), -2.0, -1.0), sure(2.0, 3.0, 4.0, 1.0)
    assert hypervolume(latency, quality, [1], 0).value == pytest.approx(0.5 * np.log(2))
    assert hypervolume(latency, quality, [0, 2], 0).value == pytest.approx(0, abs=1e-4)
    assert hypervolume(latency, quality, [1, 3], 0).value == pytest.approx(1.5)
    assert hypervolume(latency, sure(0.0, 1.0, 1.0, 1.0), [1], 0) is None
    assert dominated_area([(-1.0, 0.0)], 2.0) == 2
    assert dominated_area([(-1.0, 0.0), (-2.0, 1.0), (0.5, -9.0)], 2.0) == 3


def test_intervals_of_areas_hold_their_truth():
    """Samples with classes, all of whose errors enter: gaps, latencies and the unit."""
    population, latency = study.made(6, step=0.5)
    settings = list(population.settings.items())
    population = replace(population, settings=dict([settings[2], *settings[:2], *settings[3:]]))  # a known reference
    truth, rng, widths, hits = study.Truth(population, latency), np.random.default_rng(4), [], []
    for _ in range(40):
        fast, good = study.report(population, truth, 640, rng)
        for family in ([1, 3, 5], [2, 4]):
            found = hypervolume(fast, good, family, 0)
            hits.append(found.low <= truth.area(family) <= found.high)
            widths.append((found.high - found.low) / truth.area(family))
            assert found.low <= found.value <= found.high
    assert np.mean(hits) >= 0.95
    assert np.median(widths) < 1.2


def test_reports_in_miniature_say_little_that_is_false():
    population, latency = study.made(6, step=0.05)
    found = study.study(population, latency, 320, repeats=12)["rules"]
    assert found["the rule"]["false_share"] <= 0.1
    assert found["the rule"]["decided"] >= found["all at once"]["decided"]
    json.dumps(found, allow_nan=False)


def test_committed_reports_keep_the_promise():
    """At most 5 % of a report's statements are false, and one headline in twenty, even if hardly anything differs."""
    found = json.loads(COMMITTED.read_text())
    for setting in found["settings"]:
        rule = setting["rules"]["the rule"]
        assert rule["false_share"] <= found["promised"]
        assert rule["false_headlines"]["share"] <= found["promised"]
        assert rule["fastest_named"]["high"] >= 0.95
    assert {setting["settings"] for setting in found["settings"]} == {14, 48}


def test_committed_settings_are_decided_as_the_study_says():
    """85 of 100 settings of `small-full`, which one session times: 75 of the 88 that it had first."""
    found = json.loads(COMMITTED.read_text())["committed"]
    again = committed_verdicts.committed(ROOT / "results" / "small-full")
    assert found.keys() == again.keys()
    for model, now in again.items():
        assert now["settings"] == found[model]["settings"]
        for rule, outcome in now["rules"].items():
            assert outcome["words"] == found[model]["rules"][rule]["words"]
            assert outcome["headline"] == found[model]["rules"][rule]["headline"]
    settings = sum(model["settings"] for model in found.values())
    assert sum(model["rules"]["the rule"]["decided"] for model in found.values()) >= 0.85 * settings


def test_a_run_agrees_with_itself_on_every_word():
    same = committed_verdicts.agreement(ROOT / "results" / "small-full", ROOT / "results" / "small-full")
    assert {model: (found["same"], found["contradict"]) for model, found in same.items()} == {
        model: (found["settings"], []) for model, found in same.items()
    }


def test_axis_of_one_setting():
    axis = Axis(np.zeros(1), np.zeros((1, 1)), 31)
    assert axis.critical(0.95) == axis.pointwise(0.95) == pytest.approx(2.04, abs=0.01)
    assert simultaneous(axis, axis).faster.sum() == 0


@pytest.mark.parametrize("freedom", [1, 5, 31, None])
def test_chances_are_student_s(freedom):
    """Read off a table: as near as that a chance is never on the other side of a level by more than 1e-4 of itself."""
    axis = Axis(np.linspace(0, 6, 40), np.eye(40) / 2**0.5, freedom)
    exact = stdtr(np.inf if freedom is None else freedom, axis.gaps)
    np.fill_diagonal(exact, 0.5)
    found = axis.chance_below(0.0)
    off = ~np.eye(40, dtype=bool)
    np.testing.assert_allclose(found[off], exact[off], rtol=1e-4)


def test_the_table_changes_no_ruling(monkeypatch):
    results = [read_results(ROOT / "results" / name) for name in ("small-full", "regression")]
    read = [decisions(one) for one in results]
    monkeypatch.setattr(simultaneous_module, "_below", lambda t, freedom: stdtr(freedom, t))
    assert [decisions(one) for one in results] == read


def test_reports_by_fidelity_say_little_that_is_false():
    """The committed study of both axes, and a part of it again: reports are drawn from one seed."""
    study = json.loads(COMMITTED.with_name("fidelity_verdicts.json").read_text())
    assert {entry["axis"] for entry in study["settings"]} == {"fd_own", "ode_error"}
    for entry in study["settings"]:
        assert entry["rule"]["false_share"] <= study["promised"] == 0.05
        assert entry["rule"]["false_headlines"]["share"] == 0
    again = fidelity_verdicts.error_study(6, 1.5, repeats=40)["rule"]
    assert again["false_share"] <= 0.05
    assert again["decided"] > 1
