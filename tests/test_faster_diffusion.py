"""Faster Diffusion's plans, what its two kept things mean on each architecture, and where refreshes are placed."""

import pytest
import torch

import methods
from bench.sampling import balanced_labels, make_plan, sample, seeded_noise
from methods.plan import STATE, Span
from methods.refresh import refreshes
from models.dit import DiT
from models.errors import InputError
from models.uvit import UViT


def randomised(model):
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval().requires_grad_(False)


MODELS = {
    "dit": randomised(DiT(4, 1, 4, 32, 6, 4, num_classes=10)),
    "uvit": randomised(UViT(4, 1, 4, 32, 6, 4, num_classes=11, conv=False)),
}
SAMPLER = methods.build("ddim", steps=6)


def outputs(model, **params):
    """The model's output at every evaluation."""
    noise, labels = seeded_noise(range(1), model.latent_shape), balanced_labels(range(1), 10)
    seen = []
    cache = methods.build("faster-diffusion", **params)
    keep = lambda k, t, x, out: seen.append(out.clone())  # noqa: E731
    sample(model, SAMPLER, cache, noise=noise, labels=labels, callback=keep)
    return seen


@pytest.mark.parametrize(("name", "encoder"), [("dit", Span(0, 6, STATE)), ("uvit", Span(0, 8, STATE))])
def test_the_encoder_is_the_first_half_and_on_uvit_the_middle_too(name, encoder):
    plan = make_plan(MODELS[name], SAMPLER, methods.build("faster-diffusion", interval=2))
    assert plan.rows == ((), (encoder,)) * 3


def test_on_uvit_kept_features_give_the_kept_output_again():
    seen = outputs(MODELS["uvit"], interval=2)
    assert torch.equal(seen[0], seen[1])  # out-blocks see nothing new: time is a token of the encoder
    assert not torch.equal(seen[1], seen[2])


@pytest.mark.parametrize(("name", "keep"), [("dit", "features"), ("dit", "branches"), ("uvit", "branches")])
def test_elsewhere_the_decoder_sees_the_current_evaluation(name, keep):
    seen = outputs(MODELS[name], interval=2, keep=keep)
    assert not torch.equal(seen[0], seen[1])


def test_the_papers_key_steps():
    chosen = methods.build("faster-diffusion", key_steps="paper")
    assert [k for k, full in enumerate(chosen.refreshes(50)) if full] == [0, 1, 2, 3, 5, 10, 15, 25, 35]
    assert chosen.refreshes(20)[0]


@pytest.mark.parametrize("params", [{}, {"interval": 2, "key_steps": "paper"}])
def test_interval_and_key_steps_exclude_each_other(params):
    with pytest.raises(InputError, match="faster-diffusion: give 'interval', or 'key_steps' = 'paper' without it"):
        methods.build("faster-diffusion", **params)


PLACES = [
    ("unshifted", 8, 2, [0, 2, 4, 6]),
    ("shifted", 8, 2, [0, 1, 3, 5, 7]),
    ("from-end", 8, 2, [0, 1, 3, 5, 7]),
    ("from-end", 7, 2, [0, 2, 4, 6]),
    ("unshifted", 8, 3, [0, 3, 6]),
    ("shifted", 8, 3, [0, 1, 4, 7]),
    ("from-end", 8, 3, [0, 1, 4, 7]),
    ("shifted", 3, 1, [0, 1, 2]),
]


@pytest.mark.parametrize(("pattern", "evaluations", "interval", "expected"), PLACES)
def test_where_refreshes_are_placed(pattern, evaluations, interval, expected):
    assert [k for k, full in enumerate(refreshes(evaluations, interval, pattern)) if full] == expected


def test_the_papers_shifted_pattern_reuses_what_l2c_may_reuse_on_uvit():
    model = MODELS["uvit"]
    sampler = methods.build("dpm-solver++", steps=8, variant="uvit-singlestep")
    everything = methods.build("l2c", router=torch.zeros(4, model.num_branches))
    shifted = methods.build("fora", interval=2, pattern="shifted")
    assert make_plan(model, sampler, everything) == make_plan(model, sampler, shifted)


def test_the_unshifted_pattern_reuses_what_l2c_may_reuse_on_dit():
    model = MODELS["dit"]
    everything = methods.build("l2c", router=torch.zeros(6, model.num_branches))
    unshifted = methods.build("fora", interval=2, pattern="unshifted")
    assert make_plan(model, SAMPLER, everything) == make_plan(model, SAMPLER, unshifted)
