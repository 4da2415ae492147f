"""Differences of two methods on shared seeds, and a method's spread over runs with seeds of their own."""

import numpy as np
import pytest
import torch

from bench.judge.difference import differences, over_seeds, paired_names
from bench.quality.distribution import distribution_metrics
from bench.quality.features import reference_set
from bench.quality.features.feature_set import FeatureSet
from models.errors import InputError

LABELS = torch.arange(128) % 4
CENTRES = 2 * torch.eye(4, 6)


def feature_set(seed, spread, n=128, damage=0.0):
    """Samples of one seed; `damage` moves each of them a little, as a cache would."""
    generator = torch.Generator().manual_seed(seed)
    pool = CENTRES[torch.arange(n) % 4] + spread * torch.randn(n, 6, generator=generator)
    pool = pool + damage * torch.randn(n, 6, generator=generator)
    return FeatureSet(pool, -torch.cdist(pool, CENTRES).square(), pool @ torch.ones(6, 3), "tiny:1", f"{seed}")


REAL = reference_set.from_features(feature_set(9, 1.0, n=400), "real")


def quality(seed, spread, damage=0.0):
    return {"seed": seed, **distribution_metrics(feature_set(seed, spread, damage=damage), REAL, LABELS)}


def test_every_metric_has_a_difference_surer_than_two_independent_ones():
    plain, cached = quality(1, 1.3), quality(1, 1.3, damage=0.5)
    found = differences(plain, cached)
    assert tuple(found) == paired_names()
    for name, difference in found.items():
        assert difference.value == pytest.approx(plain[name] - cached[name])
        assert difference.low < difference.corrected < difference.high
    for name in ("fd", "is", "kid", "accuracy"):
        assert found[name].standard_error < np.hypot(plain[f"{name}_se"], cached[f"{name}_se"])
    assert found["fd"].high < 0  # damage makes it worse, beyond doubt


def test_what_one_lacks_has_no_difference():
    plain = quality(1, 1.3)
    assert "sfd" not in differences(plain, {**plain, "sfd_jackknife": None})


@pytest.mark.parametrize("change", [{"seed": 2}, {"samples": 64}, {"fingerprint": "x"}, {"reference_sha256": "x"}])
def test_only_what_shares_seeds_is_paired(change):
    plain = quality(1, 1.3)
    with pytest.raises(InputError, match=f"needs equal {next(iter(change))}, got"):
        differences(plain, plain | change)


def test_spread_over_runs_with_their_own_seeds():
    runs = [quality(1000 * i, 1.3) for i in range(4)]
    values = [run["fd"] for run in runs]
    found = over_seeds(runs)
    assert (found.mean, found.spread, found.runs) == pytest.approx((np.mean(values), np.std(values, ddof=1), 4))
    assert found.low < found.mean < found.high
    assert 0.3 < found.spread / np.mean([run["fd_se"] for run in runs]) < 2  # the jackknife foresees it


def test_runs_that_share_seeds_are_no_repetition():
    run = quality(0, 1.3)
    with pytest.raises(InputError, match="seeds 0 and 100 share some"):
        over_seeds([run, run | {"seed": 100}])
    with pytest.raises(InputError, match="at least 2 runs, got 1"):
        over_seeds([run])
    with pytest.raises(InputError, match="equal samples"):
        over_seeds([run, run | {"seed": 500, "samples": 64}])
