"""The study of depth on what is known: equal compute, crossings by hand, trainings that go on, invented errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import models
from bench.cli import main
from bench.studies.depth import (
    answer,
    common_limit,
    equal_compute,
    gain_of_depth,
    macs,
    measured,
    reusable,
    surely_worse,
    tables,
    trained,
)
from bench.studies.lab.crossing import first_crossing
from bench.studies.lab.subject import Subject
from bench.studies.lab.trial import Trial
from bench.suite.cells import Part
from bench.train.loop import Trainer
from models.structure import attention_macs

BASE = models.spec("dit-mnist")


def sized(depth, width):
    return replace(BASE, config=BASE.config | {"depth": depth, "hidden_size": width})


@pytest.mark.parametrize("size", [(6, 64), (24, 64), (12, 96)])
def test_compute_is_equal(size):
    recipe = equal_compute(BASE, sized(*size), 0.5)
    assert recipe.steps * macs(sized(*size)) == pytest.approx(0.5 * BASE.training["steps"] * macs(BASE), rel=2e-3)
    assert (recipe.batch, recipe.seed) == (BASE.training["batch"], 0)


def test_macs_are_those_of_the_blocks():
    block = attention_macs(16, 64) + 2 * 16 * 64 * 256 + 6 * 64**2  # attention, MLP, adaLN
    assert macs(sized(9, 64)) - macs(sized(8, 64)) == block


@pytest.mark.parametrize(
    ("means", "limit", "share"),
    [([1, 2, 3], 3, 1.0), ([1, 2, 3], 1.5, 0.25), ([1, 2, 3], 0.5, 0.0), ([1, 4, 1], 2, 1 / 6), ([1, 1, 2], 1, 0.5)],
)
def test_a_share_lasts_until_errors_first_pass_the_limit(means, limit, share):
    assert first_crossing([0.0, 0.5, 1.0], np.array(means, dtype=float), limit) == pytest.approx(share)


def size(blocks, slope, width=64, spread=0.0, rises=(0.0, 0.0, 0.0)):
    """Errors that rise by `slope` times the share, by `spread` more or less from seed to seed; FD by `rises` ± 0.1."""
    tilts = slope * (1 + spread * np.array([-1, 1, -1, 1, -1, 1]))
    points = [
        {
            "removed": share,
            "errors": (0.1 * (1 + tilts * share)).tolist(),
            "fd": 2 + rise,
            "fd_change": {"value": rise, "low": rise - 0.1, "high": rise + 0.1},
        }
        for share, rise in zip((0.0, 0.5, 1.0), rises, strict=True)
    ]
    return {"blocks": blocks, "width": width, "steps": 7, "macs": 10**6, "resolution": 0.0, "points": points}


def test_the_sentence_says_whether_depth_gains_and_the_shares():
    data = {"sizes": [size(6, 0.4, rises=(0, 0.2, 0.3)), size(12, 0.2), size(12, 0.05, 96, rises=(0, 0.05, 0.2))]}
    assert reusable(data["sizes"][0]) == pytest.approx({"value": 0.25, "low": 0.25, "high": 0.25})
    assert common_limit(data) == pytest.approx(0.11)
    assert answer(data) == (
        "Trained at equal compute, 12 blocks can reuse 25 % [25, 25] more of their cacheable branches than 6, which is "
        "sure: at 10 % more error than uncached these shares of blocks × width: 25 % [25, 25] (6 × 64), 50 % [50, 50] "
        "(12 × 64), 100 % [100, 100] (12 × 96); FD surely rises in 2 of 3, from 50 to 100 % removed on, and by 0.0 to "
        "15.0 % with all removed."
    )
    assert [row[0] for row in tables(data)[0].rows] == ["6 × 64", "12 × 64", "12 × 96"]
    assert tables(data)[2].rows[0] == ("6 × 64", "2.00", "0.20 [0.10, 0.30]", "0.30 [0.20, 0.40]")


def test_a_gain_that_seeds_disagree_on_is_not_sure():
    data = {"sizes": [size(6, 0.2, spread=0.9), size(24, 0.15)]}
    gain = gain_of_depth(data)
    assert gain["low"] < 0 < gain["high"]
    assert "which is not sure" in answer(data)
    assert "FD surely rises in 0 of 2, and by 0.0 % with all removed" in answer(data)
    assert "−75 % [−75, −75] more of their cacheable branches than 6, which is sure" in answer(
        {"sizes": [size(6, 0.1), size(24, 0.4)]}
    )


def test_seeds_are_paired_between_sizes():
    """Sizes that are alike at every seed differ by nothing, however much seeds do."""
    assert gain_of_depth({"sizes": [size(6, 0.2, spread=0.9), size(24, 0.2, spread=0.9)]}) == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
    }


@pytest.mark.parametrize(("rises", "from_"), [((0, 0.2, 0.05), None), ((0, 0, 0), None), ((0, 0.05, 0.3), 1.0)])
def test_fd_rises_from_a_share_on_if_it_does_at_all_larger_ones(rises, from_):
    assert surely_worse(size(6, 0.1, rises=rises)) == from_


def test_errors_and_fd_are_of_the_same_masks():
    """Without any removed nothing changes; with all removed samples are others."""
    spec = BASE
    trial = Trial(Subject(models.build("dit-mnist"), spec, 1.5), Part("ddim", {"steps": 4}), seeds=3, coarse=10)
    none, everything = (trial.cacheable.without(trial.cacheable.uniform(), share) for share in (0.0, 1.0))
    first, second = measured(trial, [none, everything], 32)
    assert first["fd_change"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert first["errors"] == pytest.approx(trial.errors(none), abs=1e-4)  # of another batch
    assert second["errors"] == pytest.approx(trial.errors(everything), abs=1e-4)
    assert second["fd"] != first["fd"]


def test_a_finished_training_is_only_read(tmp_path, monkeypatch):
    pytest.importorskip("mlxtend")
    monkeypatch.setenv("DITBENCH_CACHE", str(tmp_path))
    spec = sized(1, 16)
    recipe = replace(equal_compute(BASE, spec, 1e-4), steps=3)
    first = trained(spec, recipe, "1x16")
    (checkpoint,) = tmp_path.rglob("checkpoint.pt")
    assert checkpoint.parent.name == "dit-mnist-1x16-3"
    assert not any(parameter.requires_grad for parameter in first.parameters())
    assert not first.training
    monkeypatch.setattr(Trainer, "move", None)
    again = trained(spec, recipe, "1x16")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_it_is_of_a_dit_of_digits(tmp_path, capsys):
    assert main(["study", "depth", "--model", "uvit-mnist", "--quick", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("uvit-mnist: only a DiT of digits can be made deeper\n")
