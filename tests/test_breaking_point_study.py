"""The study of breaking points on what is known: invented points, and a subject that nothing can harm."""

from __future__ import annotations

import numpy as np
import pytest
import small_models

import methods
from bench.studies.breaking_point import METHODS, answer, breaking_point, tables, worse
from bench.studies.lab.exact import exact
from bench.studies.lab.masks import Cacheable, calibrated
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial, mean_of
from bench.suite.cells import Part
from models.spec import build_random

NOTHING = {"value": 0.0, "low": -1.0, "high": 1.0}
UNCACHED = {"ode_error": {"value": 0.1, "low": 0.09, "high": 0.11}}


def interval(low: float, high: float) -> dict[str, float]:
    return {"value": (low + high) / 2, "low": low, "high": high}


def points(method: str, rises: list[tuple[float, float]]) -> list[dict]:
    """One a level; `rises` are the intervals of the ODE error's rise, in tens of per cent from 50 on."""
    return [
        {"method": method, "removed": 0.5 + i / 10, "moved": interval(*rise), "ode_error": interval(*rise),
         "fd": NOTHING, "accuracy": interval(-rise[1], -rise[0])}
        for i, rise in enumerate(rises)
    ]  # fmt: skip


@pytest.fixture
def data():
    rises = {
        "learned": [(-0.1, 0.2), (-0.1, 0.2), (0.2, 0.3)],
        "SmoothCache": [(0.01, 0.2), (-0.1, 0.2), (0.3, 0.4)],
        "uniform": [(0.05, 0.2), (0.06, 0.2), (0.3, 0.4)],
        "random": [(-0.2, 0.2)] * 3,
    }
    return {"uncached": UNCACHED, "points": [p for method in METHODS for p in points(method, rises[method])]}


def test_a_measure_breaks_where_it_is_worse_from_there_on(data):
    found = {method: breaking_point(data, method, "ode_error") for method in METHODS}
    assert found == pytest.approx({"learned": 0.7, "SmoothCache": 0.7, "uniform": 0.5, "random": None}, nan_ok=True)
    assert breaking_point(data, "uniform", "accuracy") == 0.5
    assert breaking_point(data, "uniform", "fd") is None


def test_samples_have_moved_where_they_are_farther_than_the_sampler_errs(data):
    assert worse(data["points"][2], "moved", UNCACHED)
    assert not worse(points("uniform", [(0.05, 0.2)])[0], "moved", UNCACHED)


def test_the_sentence_and_the_table_say_so(data):
    assert answer(data) == (
        "Removed in a router's order, cacheable branches surely raise the ODE error from 70 % on, by 0.2500 [0.2000, "
        "0.3000] at 70 %; latent error is surely worse from 70 % on; accuracy is surely worse from 70 % on; no share "
        "surely worsens FD."
    )
    assert tables(data)[0].rows[1] == ("ODE error", "70 %", "70 %", "50 %", "–")


def test_mean_of_known_values():
    assert mean_of(np.array([1.0, 1.0, 1.0])) == {"value": 1, "low": 1, "high": 1}
    found = mean_of(np.array([1.0, 3.0]))  # standard error 1, Student's t of one degree 12.706
    assert (found["low"], found["high"]) == pytest.approx((2 - 12.706, 2 + 12.706), abs=1e-3)


@pytest.fixture
def harmless():
    """A tiny DiT whose branches put out the same whatever comes in: reusing them changes nothing."""
    model = build_random(small_models.DIT_SPEC).eval().requires_grad_(False)
    model.load_state_dict(small_models.state(1))
    for index in range(model.num_branches):
        layer = model.layer(index)
        last = layer.fc2 if index % 2 else layer.proj
        last.weight.zero_()
        last.bias.fill_(0.1 * (index + 1))
    return Subject(model, small_models.DIT_SPEC, 1.0)


def test_removing_what_is_constant_does_no_harm(harmless, monkeypatch):
    small_models.register(monkeypatch)
    trial = Trial(harmless, Part("ddim", {"steps": 6}), seeds=2, coarse=20)
    none = trial.cacheable.without(trial.cacheable.uniform(), 1.0)
    assert trial.cacheable.removed(none) == 1
    assert trial.errors(none) == pytest.approx(trial.errors(None), rel=1e-4)


def test_calibration_finds_no_error_where_nothing_changes(harmless):
    sampler = methods.build("ddim", steps=5)
    found = calibrated(harmless, sampler, Cacheable.of(harmless, sampler))
    assert found.shape == (2, 4)
    assert found.max() < 1e-6


def test_the_exact_solution_is_nearer_with_more_steps(harmless, monkeypatch):
    small_models.register(monkeypatch)
    known = exact(harmless, Part("ddim", {"steps": 6}), 2, 5)
    few, many = (harmless.latents(methods.build("ddim", steps=n), None, range(2)) for n in (5, 50))
    assert known.errors(many).mean() < known.errors(few).mean()
    assert exact(harmless, Part("ddim", {"steps": 10}), 2, 5) is known
    assert exact(harmless.guided(1.5), Part("ddim", {"steps": 6}), 2, 5) is not known
