"""The study of interpolation on what is known: the blend of one evaluation, its ends, and masks of equal cost."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
import torch

import methods
from bench.sampling import sample, seeded_noise
from bench.statistics.ratio_of_means import ratio_of_means
from bench.studies.interpolation import falls
from bench.studies.lab.blend import blended
from bench.studies.lab.masks import Cacheable, Learned, radical_inverse
from bench.studies.lab.subject import Subject
from bench.train.router.interpolation import interpolate, record
from methods.plan import from_mask
from models.errors import InputError
from models.spec import build_random

SEEDS = range(2)


@pytest.fixture(scope="module", params=["dit", "uvit"])
def subject(request):
    """A tiny denoiser with weights that matter, unguided."""
    spec = small_models.DIT_SPEC if request.param == "dit" else small_models.UVIT_SPEC
    model = build_random(spec).eval().requires_grad_(False)
    model.load_state_dict(small_models.state(1, spec))
    return Subject(model, spec, 1.0)


@pytest.mark.parametrize("beta", [0.25, 0.9])
def test_a_blended_evaluation_is_the_one_that_routers_are_trained_by(subject, beta):
    sampler, model, seen = methods.build("ddim", steps=2), subject.model, []
    cacheable = Cacheable.of(subject, sampler)
    assert cacheable.decided == (1,)
    noise, labels = seeded_noise(SEEDS, model.latent_shape), subject.labels(SEEDS)
    sample(
        model, sampler, blended(cacheable, beta), noise=noise, labels=labels,
        callback=lambda k, t, x, out: seen.append((t, x.clone(), out.clone())),
    )  # fmt: skip
    (t0, x0, _), (t1, x1, blend) = seen
    _, kept = record(model, x0, torch.full((2,), t0), labels)
    weights = torch.full((model.num_branches,), beta)
    expected = interpolate(model, x1, torch.full((2,), t1), labels, kept, weights)
    apart = (model(x1, torch.full((2,), t1), labels) - blend).abs().max()  # from β = 1
    assert (blend - expected).abs().max() < 0.02 * apart


def test_the_blend_meets_its_ends(subject):
    sampler = methods.build("ddim", steps=6)
    cacheable = Cacheable.of(subject, sampler)
    whole, none = subject.latents(sampler, None, SEEDS), subject.latents(sampler, blended(cacheable, 0.0), SEEDS)
    assert torch.equal(subject.latents(sampler, blended(cacheable, 1.0), SEEDS), whole)
    assert torch.allclose(subject.latents(sampler, blended(cacheable, 1e-6), SEEDS), none, atol=1e-4)
    assert torch.allclose(subject.latents(sampler, blended(cacheable, 1 - 1e-6), SEEDS), whole, atol=1e-4)
    assert not torch.allclose(none, whole, atol=1e-3)


def test_masks_of_equal_cost_compute_as_many_of_each_kind():
    cacheable = Cacheable(9, 8, (2, 4, 6, 8))
    mask = cacheable.without(cacheable.random(7), 0.6)
    others = [cacheable.shuffled(mask, seed) for seed in range(20)]
    for other in others:
        assert other[:, 0::2].sum() == mask[:, 0::2].sum()
        assert other[:, 1::2].sum() == mask[:, 1::2].sum()
        assert other[[0, 1, 3, 5, 7]].all()
        from_mask(other)
    assert len({other.tobytes() for other in others}) > 15


def test_the_least_important_are_removed_first():
    cacheable = Cacheable(5, 2, (2, 4))
    mask = cacheable.without(np.array([[0.1, 0.9], [0.8, 0.2]]), 0.5)
    assert mask.tolist() == [[True] * 2, [True] * 2, [False, True], [True] * 2, [True, False]]
    assert cacheable.removed(mask) == 0.5
    assert cacheable.without(np.ones((2, 2)), 0).all()


def test_uniform_removes_whole_evaluations_that_lie_apart():
    assert [radical_inverse(i) for i in range(5)] == [0, 0.5, 0.25, 0.75, 0.125]
    cacheable = Cacheable(9, 4, (1, 2, 3, 4, 5, 6, 7, 8))
    half = cacheable.without(cacheable.uniform(), 0.5)
    assert (~half).all(axis=1).tolist() == [False, True, False, True, False, True, False, True, False]


def test_equal_scores_go_in_a_drawn_order():
    scores = np.array([[0.0, 0.0, 1.0, 0.5], [0.0, 0.0, 0.0, 1.0]])
    router = Learned(0.1, scores, np.ones((4, 4), dtype=bool), 0.5)
    ranks = router.importance(0)
    assert sorted(ranks[scores == 0]) == [0, 1, 2, 3, 4]
    assert ranks[0, 3] == 5
    assert any((router.importance(seed) != ranks).any() for seed in range(1, 5))
    assert (router.importance(0) == ranks).all()


def test_ratio_of_known_means():
    below = np.linspace(1, 2, 40)[None]
    found = ratio_of_means(3 * below, below)
    assert (found.value, found.low, found.high) == pytest.approx((3, 3, 3))
    noisy = ratio_of_means(below * np.array([[1.0], [3.0]]), below)
    assert noisy.low < noisy.value < noisy.high
    with pytest.raises(InputError, match="ratio of means"):
        ratio_of_means(below[:, :-1], below)


def test_only_what_falls_at_nearly_all_seeds_surely_falls():
    errors = [[4.0, 4.1, 4.0, 4.2], [2.0, 2.1, 2.1, 2.1], [2.1, 2.0, 2.2, 2.0], [1.0, 1.1, 1.0, 1.1]]
    steps, largest = falls([{"errors": one} for one in errors])
    assert [step["low"] > 0 for step in steps] == [True, False, True]
    assert [step["value"] for step in steps] == pytest.approx([2.0, 0.0, 1.025])
    assert largest["value"] == pytest.approx(2.0 / 3.025)
    assert largest["low"] < largest["value"] < largest["high"]
