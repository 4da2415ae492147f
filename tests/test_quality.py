"""Distribution metrics computed from two feature sets."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.quality import distribution as metrics
from bench.quality.features import reference_set
from bench.quality.features.feature_set import FeatureSet
from bench.quality.metrics import inception_score as inception_scores
from bench.quality.metrics.frechet import frechet_distance
from bench.quality.metrics.inception_score import inception_score
from bench.quality.metrics.kernel_distance import kernel_distance
from bench.quality.metrics.precision_recall import precision_recall
from bench.statistics.jackknife import jackknife_groups
from models.errors import InputError

CLASSES = 4
CENTRES = 3 * torch.eye(CLASSES, 6)


def evaluate(samples, real, labels, **options):
    """Against features of real images."""
    return metrics.distribution_metrics(samples, reference_set.from_features(real, "real"), labels, **options)


def labels_of(n):
    return torch.arange(n) % CLASSES


def feature_set(n, seed, spread=0.5, fingerprint="tiny:1"):
    """Gaussian classes; the logits are the distances to their centres, so the labels can be recognised."""
    noise = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    pool = CENTRES[labels_of(n)] + spread * noise
    return FeatureSet(pool, -torch.cdist(pool, CENTRES).square(), None, fingerprint, f"sha-{seed}")


def test_evaluate_gives_every_number_and_leaves_the_random_state_alone():
    samples, real = feature_set(200, 1, spread=1.2), feature_set(300, 2)
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002 - the global state is what is tested
    first = evaluate(samples, real, labels_of(200))
    after = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    assert (torch.rand(1), np.random.rand()) == after  # noqa: NPY002
    assert evaluate(samples, real, labels_of(200).tolist()) == first
    json.dumps(first, allow_nan=False)
    assert first["samples"] == 200
    assert first["reference_samples"] == 300
    assert first["fd"] > 0
    assert 0.8 < first["accuracy"] < 1
    assert 2 < first["is"] <= CLASSES
    for name in ("fd_jackknife", "is_jackknife", "kid_jackknife", "accuracy_jackknife", "accuracy_groups"):
        assert len(first[name]) == 32
    for name in ("fd_se", "is_se", "kid_se", "accuracy_se", "fd_infinity_se", "fd_spread"):
        assert first[name] > 0
    assert first["fd_corrected_low"] < first["fd_corrected"] < first["fd_corrected_high"]
    assert first["omitted"] == {"sfd": "the extractor has no spatial features"}


def test_better_samples_are_better_in_every_metric():
    real = feature_set(400, 2)
    good = evaluate(feature_set(200, 1), real, labels_of(200))
    bad = evaluate(feature_set(200, 1, spread=2.0), real, labels_of(200))
    assert good["fd"] < bad["fd"]
    assert good["kid"] < bad["kid"]
    for name in ("is", "precision", "accuracy"):
        assert good[name] > bad[name]


def test_metrics_of_unlabelled_samples():
    found = evaluate(feature_set(64, 1), feature_set(64, 2), None)
    assert found["accuracy"] is None
    assert found["omitted"]["accuracy"] == "no labels were given"
    assert found["fd"] > 0


def test_jackknife_of_the_other_metrics_equals_computing_again(monkeypatch):
    samples = feature_set(100, 1, spread=2.0)
    labels = labels_of(100)
    groups = jackknife_groups(100, labels.numpy())
    scores = inception_scores.inception_score_with_error(samples.logits, groups)
    accuracy = metrics.accuracy_with_error(samples.logits, labels.numpy(), groups)
    for g in (0, 7, 31):
        rest = torch.from_numpy(groups != g)
        assert scores["is_jackknife"][g] == pytest.approx(inception_score(samples.logits[rest]))
        hits = samples.logits[rest].argmax(1) == labels[rest]
        assert accuracy["accuracy_jackknife"][g] == pytest.approx(hits.double().mean().item())
        inside = samples.logits[~rest].argmax(1) == labels[~rest]
        assert accuracy["accuracy_groups"][g] == pytest.approx(inside.double().mean().item())
    monkeypatch.setattr(inception_scores, "SPLIT_SIZE", 50)  # two consecutive splits
    halves = inception_scores.inception_score_with_error(samples.logits, groups)
    expected = [inception_score(samples.logits[part][groups[part] != 3]) for part in (slice(0, 50), slice(50, 100))]
    # The expected scores of 48 or 49 samples still fit in one split each.
    assert halves["is_jackknife"][3] == pytest.approx(np.mean(expected))
    assert halves["is"] == pytest.approx(inception_score(samples.logits, splits=2))


def test_inception_score_knows_its_limits():
    assert inception_score(torch.eye(5).repeat(4, 1) * 1000) == pytest.approx(5)  # certain and even
    assert inception_score(torch.tensor([[0.0, 1e4]]).repeat(8, 1)) == pytest.approx(1)  # a class that never occurs
    with pytest.raises(InputError, match="3 for 4 splits"):
        inception_score(torch.zeros(3, 2), splits=4)


def test_precision_and_recall_are_not_exchanged():
    """Samples of one class only lie on the data (precision) and cover a part of it (recall)."""
    reference = feature_set(200, 2).pool
    one_class = feature_set(200, 1, spread=0.3).pool[::CLASSES]
    found = precision_recall(one_class, reference)
    assert found["precision"] > 0.9
    assert found["recall"] < 0.5


def test_precision_and_recall_equal_the_definition():
    x, y = feature_set(60, 1).pool.double(), feature_set(80, 2).pool.double()
    radius = [torch.cdist(f, f).sort(dim=1).values[:, 3] for f in (x, y)]  # column 0 is the sample itself
    found = precision_recall(x.float(), y.float())
    assert found["precision"] == pytest.approx((torch.cdist(x, y) <= radius[1]).any(1).double().mean().item())
    assert found["recall"] == pytest.approx((torch.cdist(y, x) <= radius[0]).any(1).double().mean().item())


def test_kernel_distance_equals_the_unbiased_estimate():
    x, y = feature_set(40, 1).pool, feature_set(40, 2, spread=1.0).pool
    cubic = [(a.double() @ b.double().T / 6 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    within = [(k.sum() - k.diagonal().sum()) / (40 * 39) for k in cubic[:2]]
    found = kernel_distance(x, y, jackknife_groups(40))  # each subset is the whole set, in another order
    assert found["kid"] == pytest.approx((within[0] + within[1] - 2 * cubic[2].mean()).item())
    assert found["kid_subset_size"] == 40


def test_sets_of_different_extractors_are_never_compared():
    with pytest.raises(InputError, match="not comparable: samples from 'tiny:2', reference from 'tiny:1'"):
        evaluate(feature_set(64, 1, fingerprint="tiny:2"), feature_set(64, 2), labels_of(64))


def test_too_few_samples_are_an_error_not_a_smaller_number():
    real = feature_set(64, 2)
    with pytest.raises(InputError, match="at least 32 samples, got 31"):
        evaluate(feature_set(31, 1), real, labels_of(31))
    with pytest.raises(InputError, match="precision and recall: at least 4 reference samples needed, got 3"):
        evaluate(real, feature_set(3, 1), labels_of(64))
    with pytest.raises(InputError, match="precision and recall: at least 4 samples needed, got 3"):
        precision_recall(real.pool[:3], real.pool)
    with pytest.raises(InputError, match="KID: at least 2 samples needed, got 1"):
        kernel_distance(real.pool[:1], real.pool, jackknife_groups(32))
    with pytest.raises(InputError, match="Fréchet distance needs at least 2 samples, got 1"):
        evaluate(real, feature_set(1, 1), labels_of(64))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (labels_of(63), "64 integers"),
        (labels_of(64).float(), "64 integers"),
        (labels_of(64) + 1, r"\[0, 3\], got 1 to 4"),
        (labels_of(64) - 1, r"\[0, 3\], got -1 to 2"),
    ],
)
def test_labels_that_do_not_fit(labels, says):
    with pytest.raises(InputError, match=says):
        evaluate(feature_set(64, 1), feature_set(64, 2), labels)


def with_spatial(features):
    """The same set with nine spatial features that follow the pooled ones."""
    spatial = features.pool @ torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    return FeatureSet(features.pool, features.logits, spatial, features.fingerprint, features.images_sha256)


def test_spatial_features_have_a_distance_of_their_own():
    samples, real = with_spatial(feature_set(200, 1, spread=1.2)), with_spatial(feature_set(300, 2))
    found = evaluate(samples, real, labels_of(200))
    assert found["sfd"] == pytest.approx(frechet_distance(samples.spatial.numpy(), real.spatial.numpy()))
    assert found["sfd_corrected_low"] < found["sfd_corrected"] < found["sfd"]
    assert len(found["sfd_jackknife"]) == 32
    assert found["omitted"] == {}


def test_statistics_alone_give_the_frechet_distances_and_say_what_is_missing():
    """As the published files: no features of single images, and not always spatial ones."""
    samples, real = with_spatial(feature_set(200, 1)), with_spatial(feature_set(300, 2))
    whole = evaluate(samples, real, labels_of(200))
    statistics = replace(reference_set.from_features(real, "published"), features=None, spatial=None, samples=None)
    found = metrics.distribution_metrics(samples, statistics, labels_of(200))
    assert found["fd"] == pytest.approx(whole["fd"])
    assert [found[name] for name in ("sfd", "precision", "recall", "kid", "reference_samples")] == [None] * 5
    assert found["omitted"]["kid"] == "the reference 'published' holds statistics, no features"
    assert found["omitted"]["sfd"] == "the reference 'published' has no spatial features"


def test_features_of_a_part_of_the_reference_leave_its_moments_alone():
    """ADM's files hold moments of the whole data set, and 10,000 of its images for precision, recall and KID."""
    samples, real = feature_set(200, 1), feature_set(300, 2)
    part = replace(reference_set.from_features(real, "part"), features=real.pool[:5])  # fewer than dimensions
    found, whole = metrics.distribution_metrics(samples, part, None), evaluate(samples, real, None)
    assert found["fd"] == pytest.approx(whole["fd"])
    assert found["precision"] != whole["precision"]
    assert found["precision_recall_reference"] == 5
    assert found["kid_subset_size"] == 5


def test_classes_that_are_not_the_labels_give_no_accuracy():
    labels = labels_of(64) + 1000  # no class of the logits, and not meant to be one
    found = evaluate(feature_set(64, 1), feature_set(64, 2), labels, recognises_labels=False)
    assert found["accuracy"] is None
    assert found["omitted"]["accuracy"] == "the extractor's classes are not the labels'"
    alone = replace(feature_set(64, 1), logits=None)
    assert evaluate(alone, feature_set(64, 2), labels)["omitted"]["is"] == "the extractor has no logits"
