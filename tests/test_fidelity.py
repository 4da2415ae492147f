"""Fidelity to the own ODE and to own samples: the exact solution, its error, and a distance to known truth."""

import numpy as np
import pytest
import torch

import methods
import models
from bench.measure.samples import exact_solution
from bench.measure.samples.exact_solution import ExactSolution, has_none
from bench.measure.samples.latents import Latents
from bench.quality.metrics.frechet import Moments, Target
from bench.quality.metrics.ode_error import ode_error
from bench.quality.metrics.own_distance import own_distance
from bench.quality.metrics.paired import latent_error
from bench.statistics.jackknife import jackknife_groups, paired_difference
from bench.suite.cells import Cell, Settings
from bench.suite.part import Part
from bench.suite.protocol import Protocol
from models.errors import InputError


class Linear:
    """Latents of a cell whose error at N steps is known: 1/N, off the solution 1."""

    def __init__(self, cell, read):
        self.cell, self.count = cell, read

    def read(self, indices):
        self.count.append((self.cell.slug, len(indices), self.cell.protocol.sampling_batch))
        return torch.ones(len(indices), 1, 2, 2, dtype=torch.float64) * (1 + 1 / self.cell.sampler.params["steps"])


def test_the_exact_solution_states_the_larger_of_its_distances_to_two_others():
    read = []
    cell = Cell("dit-mnist", Part("ddim", {"steps": 10}), None, Protocol(samples=64))
    solution = ExactSolution(cell, lambda other: Linear(other, read))
    exact, twice, ddim = (1 + 1 / n for n in (200, 400, 1000))
    assert solution.resolution() == pytest.approx(max(abs(twice - exact), abs(ddim - exact)) / exact)
    assert read == [("dpm-solver++-200-order-3", 48, 48), ("dpm-solver++-400-order-3", 4, 4), ("ddim-1000", 4, 4)]
    found = solution.error_of(Linear(cell, read).read(range(48)))
    assert found["ode_error"] == pytest.approx((1.1 - exact) / exact)
    assert found["ode_error_high"] - found["ode_error"] == pytest.approx(solution.resolution())


@pytest.mark.parametrize("name", ["dit-mnist", "uvit-mnist"])
def test_more_steps_come_nearer_and_the_solution_is_kept(name, tmp_path, monkeypatch):
    monkeypatch.setattr(exact_solution, "SOLVER", ("dpm-solver++", {"steps": 40, "order": 3}))
    monkeypatch.setattr(exact_solution, "CHECKS", (("dpm-solver++", {"steps": 80, "order": 3}),))
    monkeypatch.setattr(exact_solution, "SEEDS", 4)
    model, rules, made = models.build(name), Protocol(samples=64, sampling_batch=4), []

    def open_latents(cell):
        return Latents(model, cell, Settings(), tmp_path / cell.slug, lambda other, done: made.append(other.slug))

    solution = ExactSolution(Cell(name, Part("ddim", {"steps": 50}), None, rules), open_latents)
    errors = [
        solution.error_of(open_latents(Cell(name, Part("ddim", {"steps": n}), None, rules)).read(range(4)))["ode_error"]
        for n in (4, 8, 24)
    ]
    assert errors == sorted(errors, reverse=True)
    assert 0 < solution.resolution() < errors[-1]
    assert made.count("dpm-solver++-40-order-3") == 1
    assert len(list(tmp_path.glob("dpm-solver++-*/latents/*.safetensors"))) == 2


def test_stochastic_samplers_have_no_exact_solution():
    model = models.build("dit-mnist", weights="random")
    for name, params, has in (
        ("ddpm", {}, False), ("ddim", {"eta": 0.5}, False), ("ddim", {}, True), ("dpm-solver", {}, True)
    ):  # fmt: skip
        assert (has_none(methods.build(name, steps=4, **params), model) is None) == has


def test_the_exact_solution_reads_the_network_as_the_cells_own_sampler_does():
    """Else a network that predicts v would be held against the ODE of one that predicts noise, without a word."""
    opened = []

    def open_latents(cell):
        opened.append(cell.sampler.params.get("prediction"))
        return Linear(cell, [])

    for prediction in ("v", "noise", None):
        cell = Cell("dit-mnist", Part("ddim", {"steps": 10, "prediction": prediction}), None, Protocol(samples=64))
        ExactSolution(cell, open_latents).resolution()
    assert [prediction or "noise" for prediction in opened] == ["v"] * 3 + ["noise"] * 6  # None is its default
    model = models.build("dit-mnist", weights="random")
    assert "takes the output for velocity" in has_none(methods.build("flow-euler", steps=4), model)
    assert has_none(methods.build("ddim", steps=4, prediction="v"), model) is None


def test_intervals_hold_the_mean_error_over_seeds():
    rng, truth = np.random.default_rng(0), float(np.exp(0.5**2 / 2))
    found = [ode_error(rng.lognormal(0, 0.5, 48), 0.0) for _ in range(300)]
    hits = np.mean([f["ode_error_low"] <= truth <= f["ode_error_high"] for f in found])
    assert 0.91 < hits < 0.98
    assert ode_error(np.array([0.1, 0.1]), 0.2)["ode_error_low"] == 0
    with pytest.raises(InputError, match="at least 2"):
        ode_error(np.array([0.1]), 0.0)


def test_distance_to_own_samples_holds_the_truth_with_classes():
    """The pair is drawn jointly, its classes balanced; both finite sets' biases go."""
    rng, d, n, classes = np.random.default_rng(3), 6, 320, 5
    centres = 3 * rng.normal(size=(classes, d))
    labels = np.arange(n) % classes
    between = np.cov(centres, rowvar=False, ddof=0)
    truth = Target(Moments(np.zeros(d), between + np.eye(d))).distance_of(
        Moments(np.full(d, 0.1), between + (1 + 0.2**2) * np.eye(d))
    )
    hits, plain, corrected = [], [], []
    for _ in range(60):
        own = centres[labels] + rng.normal(size=(n, d))
        cached = own + 0.1 + 0.2 * rng.normal(size=(n, d))
        found = own_distance(cached, own, jackknife_groups(n, labels), labels)
        hits.append(found["fd_own_low"] <= truth <= found["fd_own_high"])
        plain.append(found["fd_own_plain"])
        corrected.append(found["fd_own"])
    assert np.mean(hits) >= 0.88
    assert abs(np.mean(corrected) - truth) < 0.5 * abs(np.mean(plain) - truth) + 0.1 * np.std(plain)
    difference = paired_difference(found["fd_own_jackknife"], np.zeros(32), (found["fd_own_plain"], 0.0))
    assert difference.corrected == pytest.approx(found["fd_own"], rel=1e-6)


def test_own_distance_without_groups_equals_computing_again():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 96, 5))
    groups = jackknife_groups(96)
    found = own_distance(x, y, groups)
    for g in (0, 31):
        again = Target.of(y[groups != g]).distance(x[groups != g])
        assert found["fd_own_jackknife"][g] == pytest.approx(again)
    assert own_distance(x, x, groups)["fd_own_high"] == pytest.approx(0, abs=1e-9)
    with pytest.raises(InputError, match="equal shapes"):
        own_distance(x, y[:90], groups)


def test_latent_error_is_relative():
    assert latent_error(torch.full((1, 4), 1.1), torch.ones(1, 4)) == pytest.approx(0.1)
