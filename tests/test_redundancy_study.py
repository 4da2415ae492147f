"""The study of redundancy on what is known: constant and scaled outputs, tied and reversed ranks."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
import torch

import methods
import models
from bench.sampling import seeded_noise
from bench.statistics.rank_correlation import rank_correlation
from bench.studies.lab import recorder
from bench.studies.lab.recorder import Changes, Recorder, branch_groups, by_image, pair_errors, redundancy
from bench.studies.lab.subject import Subject
from bench.studies.redundancy import answer, shares
from bench.train.router.interpolation import record
from methods.plan import Plan
from models.errors import InputError
from models.spec import build_random, structure

CONSTANT = 3  # the MLP of block 1


@pytest.fixture
def subject():
    """A tiny DiT one of whose branches puts out the same whatever comes in."""
    model = build_random(small_models.DIT_SPEC).eval().requires_grad_(False)
    model.load_state_dict(small_models.state(1))
    last = model.layer(CONSTANT).fc2
    last.weight.zero_()
    last.bias.fill_(0.3)
    return Subject(model, small_models.DIT_SPEC, 1.5)


def test_a_constant_branch_is_wholly_redundant(subject):
    found = redundancy(subject, methods.build("ddim", steps=5), range(3), batch=2)
    assert found.errors.shape == (3, 4, 5, 5)
    assert found.errors[:, CONSTANT].max() < 1e-12
    assert found.absolute[:, CONSTANT].max() < 1e-9
    assert np.delete(found.relative, CONSTANT, axis=1).min() > 1e-9
    values = 2 * 4 * 32  # halves, tokens, width
    assert found.lengths[:, CONSTANT] == pytest.approx(np.full((3, 5), values * 0.3**2), rel=1e-5)


def test_several_passes_find_the_same(subject, monkeypatch):
    sampler = methods.build("ddim", steps=4)
    at_once = redundancy(subject, sampler, range(2), batch=1)
    monkeypatch.setattr(recorder, "KEPT_BYTES", 1)
    assert branch_groups(subject, sampler, 2) == [(0,), (1,), (2,), (3,)]
    found = redundancy(subject, sampler, range(2), batch=2)
    assert np.array_equal(found.errors, at_once.errors)
    assert np.array_equal(found.lengths, at_once.lengths)


def test_a_large_model_is_sampled_few_times_within_the_memory(monkeypatch):
    spec, sampler, passes = models.spec("dit-xl-2"), methods.build("ddim", steps=50), []
    large = Subject(structure(spec), spec, 1.5)

    def recorded(subject, sampler, seeds, branches):
        passes.append((len(seeds), len(branches)))
        return Changes(np.zeros((len(seeds), len(branches), 2, 2)), np.zeros((len(seeds), len(branches), 2)))

    monkeypatch.setattr(recorder, "of_group", recorded)
    assert redundancy(large, sampler, range(2), batch=8).errors.shape == (2, 56, 2, 2)
    assert sum(images for images, _ in passes) <= 2 * 4  # trajectories
    assert max(images * branches for images, branches in passes) * recorder.kept_bytes(large, sampler) <= 2**31


def test_what_is_recorded_is_what_the_branches_put_out(subject):
    model, sampler, seeds = subject.model, methods.build("ddim", steps=3), range(2)
    policy = Recorder(tuple(range(model.num_branches)))
    subject.latents(sampler, Plan(model.num_branches, ((),) * 3, policy=policy), seeds)
    x = seeded_noise(seeds, model.latent_shape).repeat(2, 1, 1, 1)
    labels = torch.cat([subject.labels(seeds), torch.full((2,), model.null_label)])
    first = torch.full((4,), sampler.evaluations(model.noise_schedule)[0].timestep)
    _, expected = record(model, x, first, labels)
    for branch, out in enumerate(expected):
        assert len(policy.kept[branch]) == 3
        assert torch.allclose(policy.kept[branch][0], out, atol=1e-5)


def test_scaled_outputs_have_the_error_of_their_scales():
    direction, scales = np.random.default_rng(0).normal(size=7), np.array([1.0, 2.0, 0.5])
    errors = pair_errors(scales[None, :, None] * direction)
    expected = (1 - scales[:, None] / scales[None, :]) ** 2  # ‖c_m v - c_s v‖² / ‖c_m v‖² at [s, m]
    assert errors[0] == pytest.approx(expected, abs=1e-12)


def test_nothing_is_relative_to_nothing():
    assert pair_errors(np.zeros((1, 2, 3))).max() == 0
    with pytest.raises(InputError, match="nothing at one evaluation"):
        pair_errors(np.array([[[0.0, 0.0], [1.0, 0.0]]]))


def test_the_halves_of_an_image_are_one_vector():
    out = torch.arange(4.0).view(4, 1, 1)  # images 0, 1, then the same two unconditional
    assert by_image([out], 2).tolist() == [[[0.0, 2.0]], [[1.0, 3.0]]]


def test_changes_from_one_evaluation_to_the_next():
    errors = np.arange(9.0).reshape(1, 1, 3, 3)
    found = Changes(errors, np.array([[[7.0, 10.0, 100.0]]]))
    assert found.relative.tolist() == [[[1.0, 5.0]]]  # at [0, 1] and [1, 2]
    assert found.absolute.tolist() == [[[10.0, 500.0]]]


def test_shares_are_counted_by_kind_and_time():
    neighbours = np.ones((2, 4, 6))
    neighbours[:, 1::2, :2] = 0.0
    found = {name: share["value"] for name, share in shares(neighbours).items()}
    assert found == pytest.approx(
        {"all": 1 / 6, "attention": 0, "MLP": 1 / 3, "first third": 0.5, "middle third": 0, "last third": 0}
    )


def test_rank_correlation_of_known_orders():
    scores = np.arange(20.0)
    rising = np.exp(scores) * np.array([[1.0], [1.1], [0.9]])
    found = rank_correlation(scores, rising)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))
    assert rank_correlation(scores, -rising).value == pytest.approx(-1)
    assert rank_correlation(np.ones(20), rising) is None
    with pytest.raises(InputError):
        rank_correlation(scores, rising[:1])


def test_rank_correlation_has_an_interval_that_holds_the_truth():
    rng, scores, held = np.random.default_rng(1), np.arange(30.0), 0
    for repeat in range(40):  # means are the scores; what one image shows is far off
        found = rank_correlation(scores, scores + 20 * rng.normal(size=(400, 30)), seed=repeat, resamples=200)
        held += found.low <= 1 and found.value > 0.9
        assert found.low <= found.high <= 1
    assert held == 40


def interval(value, low, high):
    return {"value": value, "low": low, "high": high}


def test_the_sentence_tells_where_outputs_change_least_and_which_way_scores_go():
    groups = {"all": 0.5, "attention": 0.6, "MLP": 0.4, "first third": 0.1, "middle third": 0.5, "last third": 0.55}
    routers = [
        {"relative": interval(-0.3, -0.4, -0.2), "absolute": interval(0.1, -0.1, 0.3)},
        {"relative": interval(0.2, 0.1, 0.3), "absolute": None},
    ]
    one = {"sampler": "ddim-9", "evaluations": 9, "routers": routers,
           "shares": {name: interval(x, x, x) for name, x in groups.items()}}  # fmt: skip
    assert answer({"samplers": [one]}) == (
        "With ddim-9, 50 % [50, 50] of the branch outputs change by at most 1 % of their squared length from one "
        "evaluation to the next, 60 % [60, 60] of attention branches and 10 % [10, 10] in the first third of the time; "
        "L2C's scores surely rise with the relative change in 1 of 2 routers, surely fall in 1 (ρ −0.30 [−0.40, −0.20] "
        "to 0.20 [0.10, 0.30]), and with the absolute change in 0 of 1 routers, surely fall in 0 (ρ 0.10 [−0.10, 0.30] "
        "to 0.10 [−0.10, 0.30])."
    )
