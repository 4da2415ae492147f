"""The Inception score and the order of its samples: splits, ADM's own rule, and sets that are sorted by class."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.cli import main
from bench.quality.features.feature_set import FeatureSet
from bench.quality.metrics import inception_score as module
from bench.quality.metrics.inception_score import (
    adm_inception_score,
    inception_score,
    order_details,
    split_cost,
)


def logits(count: int, classes: int = 10, sure: float = 6.0, seed: int = 0) -> Tensor:
    """Logits [N,classes] of samples whose class goes round."""
    found = torch.randn(count, classes, generator=torch.Generator().manual_seed(seed))
    found[torch.arange(count), torch.arange(count) % classes] += sure
    return found


def by_class(found: Tensor) -> Tensor:
    return found[found.argmax(1).argsort(stable=True)]


def score(rows: Tensor) -> float:
    """exp(E KL(p(y|x) ‖ p(y))) of all rows together, as the paper defines it."""
    p = rows.double().softmax(1).numpy()
    return float(np.exp((p * (np.log(p) - np.log(p.mean(0)))).sum(1).mean()))


@pytest.mark.parametrize("count", [40, 5000, 5001, 10_000, 10_050, 12_500])
def test_adms_rule_scores_splits_of_5000_and_the_rest(count: int) -> None:
    rows = logits(count)
    assert adm_inception_score(rows) == pytest.approx(np.mean([score(part) for part in rows.split(5000)]))
    if count % 5000 == 0 or count < 5000:
        assert adm_inception_score(rows) == pytest.approx(inception_score(rows))
    if count == 5001:  # one sample is a whole split, of score 1
        assert adm_inception_score(rows) == pytest.approx((score(rows[:5000]) + 1) / 2)


def test_a_set_sorted_by_class_is_warned_of_and_its_one_split_score_is_that_of_any_order(monkeypatch) -> None:
    monkeypatch.setattr(module, "SPLIT_SIZE", 100)
    mixed = logits(600)
    found, ordered = order_details(mixed), order_details(by_class(mixed))
    assert found["warnings"] == []
    assert ordered["is_one_split"] == pytest.approx(found["is_one_split"]) == pytest.approx(score(mixed))
    assert inception_score(by_class(mixed)) < 0.5 * ordered["is_one_split"]
    assert len(ordered["warnings"]) == 2
    assert "6 consecutive splits hold different classes" in ordered["warnings"][0]
    assert f"{ordered['is_one_split']:.4g} (is_one_split)" in ordered["warnings"][0]
    assert ordered["warnings"][1].startswith("fd_spread:")


def test_what_splits_cost_is_a_divergence_and_what_chance_costs_is_known() -> None:
    rows = by_class(logits(4000))
    lost = np.log(score(rows)) - np.mean([np.log(score(part)) for part in rows.chunk(5)])
    p = rows.double().softmax(1).numpy()
    assert split_cost(rows, 5) == pytest.approx((lost, 4 / 8000 * (p.var(0) / p.mean(0)).sum()))
    certain = logits(4000, sure=200.0)
    assert split_cost(by_class(certain), 5) == pytest.approx((np.log(5), 4 * 9 / 8000))
    generator = torch.Generator().manual_seed(2)
    costs = [split_cost(certain[torch.randperm(4000, generator=generator)], 5)[0] for _ in range(20)]
    assert np.mean(costs) == pytest.approx(4 * 9 / 8000, rel=0.2)


@pytest.mark.parametrize("classes", [2, 10, 1008])
@pytest.mark.parametrize("count", [40, 5001, 12_000])
@pytest.mark.parametrize("sure", [0.0, 9.0, 200.0])
def test_samples_in_random_order_are_not_warned_of(classes: int, count: int, sure: float) -> None:
    rows = logits(count, classes, sure)[torch.randperm(count, generator=torch.Generator().manual_seed(1))]
    assert order_details(rows)["warnings"] == []


def test_partly_sorted_sets_are_warned_of_too(monkeypatch) -> None:
    monkeypatch.setattr(module, "SPLIT_SIZE", 500)
    rows = logits(2000)
    half = torch.cat([rows[:1000], by_class(rows[1000:])])  # two runs put one after the other
    assert len(order_details(half)["warnings"]) == 2


def test_evaluate_says_so_of_stored_features_in_its_table_and_json(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(module, "SPLIT_SIZE", 100)
    rows = by_class(logits(250))
    features = FeatureSet(torch.randn(250, 8), rows, fingerprint="digit-classifier:x", images_sha256="y")
    features.save(tmp_path / "s.safetensors")
    assert main(["evaluate", str(tmp_path / "s.safetensors"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["is_one_split"] == pytest.approx(score(rows), rel=1e-6)
    assert found["is_adm"] == pytest.approx(np.mean([score(part) for part in rows.split(100)]), rel=1e-6)
    assert main(["evaluate", str(tmp_path / "s.safetensors"), str(tmp_path / "s.safetensors")]) == 0
    table = capsys.readouterr().out
    for shown in ("  one split", "  ADM's splits of 5,000", "warning: is: the 3 consecutive splits hold different"):
        assert shown in table
