"""Features, counts and labels that have no metric: every one is a single line that names what is wrong."""

import numpy as np
import pytest
import torch

from bench.quality.distribution import accuracy_with_error, distribution_metrics
from bench.quality.extractors import Extractor
from bench.quality.features import reference_set
from bench.quality.features.feature_set import FeatureSet
from bench.quality.features.reference_set_images import reference_set_of
from bench.quality.metrics.frechet import Moments, Target, frechet_distance, moments
from bench.quality.metrics.frechet_uncertainty import extrapolate, spread
from bench.quality.metrics.inception_score import (
    adm_inception_score,
    inception_score,
    inception_score_with_error,
    order_details,
)
from bench.quality.metrics.kernel_distance import kernel_distance
from bench.quality.metrics.precision_recall import precision_recall
from bench.statistics.jackknife import jackknife_groups
from models.errors import InputError

GROUPS = jackknife_groups(32)


def rows(n, d=4):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(n))


def feature_set(pool, logits=None, fingerprint="tiny:1"):
    return FeatureSet(pool, logits, fingerprint=fingerprint, images_sha256="sha")


def evaluated(n, m, d=4):
    return distribution_metrics(
        feature_set(rows(n)), reference_set.from_features(feature_set(rows(m, d)), "real"), None
    )


def holed(value):
    pool = rows(40)
    pool[3, 1] = pool[17, 0] = value
    return pool


CASES = {
    "NaN": (lambda: feature_set(holed(torch.nan)), r"'pool'.* 2 of 40 samples \(index 3, 17\)"),
    "infinity": (lambda: feature_set(holed(torch.inf)), r"'pool'.* 2 of 40 samples \(index 3, 17\)"),
    "NaN logits": (lambda: feature_set(rows(40), holed(torch.nan)), r"'logits'.* \(index 3, 17\)"),
    "one sample": (lambda: frechet_distance(rows(1).numpy(), rows(9).numpy()), "at least 2 samples, got 1"),
    "no sample": (lambda: feature_set(rows(0)), "not empty"),
    "fewer than groups": (lambda: evaluated(31, 40), "at least 32 samples, got 31"),
    "no third neighbour": (lambda: precision_recall(rows(3), rows(9)), "at least 4 samples needed, got 3"),
    "none in the reference": (lambda: precision_recall(rows(9), rows(3)), "4 reference samples needed, got 3"),
    "KID of one": (lambda: kernel_distance(rows(1), rows(9), GROUPS), "KID: at least 2 samples needed, got 1"),
    "IS splits": (lambda: inception_score(rows(3), splits=4), "at least one sample a split: 3 for 4 splits"),
    "dimensions": (lambda: evaluated(40, 40, d=5), "4 dimensions, the reference has 5"),
    "extractors": (
        lambda: distribution_metrics(
            feature_set(rows(40)),
            reference_set.from_features(feature_set(rows(40), fingerprint="tiny:2"), "real"),
            None,
        ),
        "not comparable: samples from 'tiny:1', reference from 'tiny:2'",
    ),
    "float64 features": (lambda: feature_set(rows(40).double()), "must be float32"),
    "moments that do not fit": (lambda: Moments(np.zeros(3), np.eye(4)), r"got \[3\] and \[4, 4\]"),
    "asymmetric": (lambda: Moments(np.zeros(2), np.array([[1, 1], [0, 1.0]])), "not symmetric"),
    "no covariance": (lambda: Target(Moments(np.zeros(2), -np.eye(2))).factor, "positive semidefinite"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_is_one_line_that_says_what_is_wrong(name):
    broken, says = CASES[name]
    with pytest.raises(InputError, match=says) as caught:
        broken()
    assert "\n" not in str(caught.value)


def holed_pair(value, swapped, n=300, d=64):
    """Two sets of features of which one has a value that is not finite, in sample 3."""
    rng = np.random.default_rng(0)
    x, y = (torch.from_numpy(rng.normal(size=(n, d))) for _ in range(2))
    x[3, 4] = value
    return (y, x) if swapped else (x, y)


METRICS = {  # every function that makes a number of features or logits
    "frechet": lambda x, y, n: frechet_distance(x.numpy(), y.numpy()),
    "frechet of float16": lambda x, y, n: frechet_distance(x.half().numpy(), y.half().numpy()),
    "replicates": lambda x, y, n: Target.of(y.numpy()).distances_without(x.numpy(), jackknife_groups(n)),
    "moments": lambda x, y, n: [moments(rows.numpy()) for rows in (x, y)],
    "extrapolation": lambda x, y, n: extrapolate(x.numpy(), Target.of(y.numpy())),
    "spread": lambda x, y, n: spread(x.numpy(), Target.of(y.numpy())),
    "KID": lambda x, y, n: kernel_distance(x, y, jackknife_groups(n)),
    "precision and recall": lambda x, y, n: precision_recall(x, y),
    "IS": lambda x, y, n: [inception_score(logits) for logits in (x, y)],
    "IS of one split": lambda x, y, n: [inception_score(logits, splits=1) for logits in (x, y)],
    "IS with error": lambda x, y, n: [inception_score_with_error(z, jackknife_groups(n)) for z in (x, y)],
    "IS by ADM": lambda x, y, n: [adm_inception_score(logits) for logits in (x, y)],
    "IS of an order": lambda x, y, n: [order_details(logits) for logits in (x, y)],
    "accuracy": lambda x, y, n: [accuracy_with_error(z, np.zeros(n, int), jackknife_groups(n)) for z in (x, y)],
}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("count", [300, 40])  # more and fewer than dimensions: other formulas
@pytest.mark.parametrize("name", METRICS)
def test_one_value_that_is_not_finite_ends_every_metric_in_the_same_way(name, count, value, swapped):
    x, y = holed_pair(value, swapped, count)
    part = name in ("spread", "extrapolation")  # they look at parts of the set, and count in these
    where = r"\d+ samples \(index \d+\)" if part else rf"{count} samples \(index 3\)"
    with pytest.raises(InputError, match=rf"^(features|logits): NaN or infinity in 1 of {where}$"):
        METRICS[name](x, y, count)


def test_a_reference_of_images_names_the_batch_whose_features_are_not_finite():
    class Holed(Extractor):
        name = fingerprint = "holed"

        def __init__(self):
            self.seen = 0

        def extract(self, images):
            self.seen += len(images)
            pool = torch.ones(len(images), 2)
            pool[1] = torch.nan if self.seen > 8 else 1.0
            return {"pool": pool}

    class Source:
        name, count, shape = "s", 12, (3, 4, 4)

        def batches(self, size):
            yield from torch.zeros(12, 3, 4, 4, dtype=torch.uint8).split(size)

    with pytest.raises(InputError, match=r"'pool' of the 4 images from 8 on: NaN or infinity in 1 of 4 .*index 1"):
        reference_set_of(Source(), Holed(), "r", batch=4)


def test_a_small_reference_makes_a_small_subset_and_says_so():
    """KID's subset is never larger than a set; its size stands beside the number."""
    found = kernel_distance(rows(64), rows(50), jackknife_groups(64))
    assert found["kid_subset_size"] == 50


def test_means_of_another_width_are_compared_in_float64():
    covariance = np.eye(4, dtype=np.float32)
    mixed = Moments(np.zeros(4, dtype=np.float32), covariance)
    assert mixed.mean.dtype == mixed.covariance.dtype == np.float64
    x = rows(50).numpy()
    assert Target(mixed).distance(x) == pytest.approx(Target(Moments(np.zeros(4), np.eye(4))).distance(x))
