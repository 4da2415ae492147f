"""The study of depth on what is known: equal compute, crossings by hand, trainings that go on, invented errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import models
from bench.cli import main
from bench.studies.depth import answer, common_limit, equal_compute, first_crossing, macs, reusable, tables, trained
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


def size(blocks, slope, width=64):
    """Errors that rise by `slope` times the share, alike at every seed."""
    errors = [(share, [0.1 * (1 + slope * share)] * 5) for share in (0.0, 0.5, 1.0)]
    points = [{"removed": share, "errors": values} for share, values in errors]
    return {"blocks": blocks, "width": width, "steps": 7, "macs": 10**6, "resolution": 0.0, "points": points}


def test_the_sentence_says_the_shares():
    data = {"sizes": [size(6, 0.4), size(12, 0.2), size(12, 0.05, 96)]}
    assert reusable(data["sizes"][0]) == pytest.approx({"value": 0.25, "low": 0.25, "high": 0.25})
    assert common_limit(data) == pytest.approx(0.11)
    assert answer(data) == (
        "At 10 % more error than uncached, denoisers of blocks × width that were trained at equal compute can reuse "
        "these shares of their cacheable branches: 25 % [25, 25] (6 × 64), 50 % [50, 50] (12 × 64), 100 % [100, 100] "
        "(12 × 96)."
    )
    assert [row[0] for row in tables(data)[0].rows] == ["6 × 64", "12 × 64", "12 × 96"]


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
