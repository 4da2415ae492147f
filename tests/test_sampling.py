"""Sampling: guidance, seeds, and arguments that do not fit."""

import copy

import numpy as np
import pytest
import torch

import methods
from bench.sampling import balanced_labels, sample, seeded_noise
from bench.sampling.plain import Guidance, StepNoise
from methods.plan import uncached
from models.dit import DiT
from models.errors import InputError
from models.uvit import UViT


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    dit = DiT(4, 1, 4, 32, 2, 4, num_classes=10)
    for parameter in dit.parameters():
        parameter.data = 0.1 * torch.randn_like(parameter)
    return dit.eval().requires_grad_(False)


def run(model, indices=range(2), **settings):
    noise, labels = seeded_noise(indices, model.latent_shape), balanced_labels(indices, 10)
    sampler = settings.pop("sampler", methods.build("ddim", steps=3))
    return sample(model, sampler, settings.pop("cache", None), noise=noise, labels=labels, **settings)


def test_guidance_is_linear_in_the_scale_and_leaves_other_channels_to_the_condition(model):
    out = torch.randn(4, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    cond, uncond = out.chunk(2)
    guided = Guidance(model, torch.tensor([1, 2]), 1.5, 3).fold(out, 4)
    expected = uncond[:, :3] + 1.5 * (cond[:, :3] - uncond[:, :3])
    assert torch.allclose(guided[:, :3], expected, atol=1e-6)
    assert torch.equal(guided[:, 3:], cond[:, 3:])
    everything = Guidance(model, torch.tensor([1, 2]), 1.5, None).fold(out, 4)
    assert torch.equal(everything[:, 4:], cond[:, 4:])
    assert not torch.equal(everything[:, 3], cond[:, 3])


def test_the_plain_paths_state_is_float32_whatever_the_denoisers_dtype(model):
    """As the compiled path's: what is rounded is the denoiser's work alone."""
    half, seen = copy.deepcopy(model).bfloat16(), []
    noise = seeded_noise(range(2), model.latent_shape).bfloat16()
    sampler = methods.build("ddim", steps=40)
    given = {"noise": noise, "labels": balanced_labels(range(2), 10), "guidance_scale": 1.5}
    plain = sample(half, sampler, **given, callback=lambda k, t, *tensors: seen.extend(tensors))
    assert {tensor.dtype for tensor in seen} == {torch.float32}
    assert plain.dtype == torch.bfloat16
    exact = sample(model, sampler, **given | {"noise": noise.float()})
    errors = [(found.float() - exact).norm() / exact.norm() for found in (plain, sample(half, sampler, **given))]
    assert errors[0] <= 1.5 * errors[1]


def test_scale_one_makes_no_unconditional_evaluation(model):
    sizes = []
    original = model.embed
    model.embed = lambda x, *rest: (sizes.append(len(x)), original(x, *rest))[1]
    try:
        run(model)
        run(model, guidance_scale=1.5)
    finally:
        del model.embed
    assert sizes == [2, 2, 2, 4, 4, 4]


def test_seeds_and_labels_belong_to_the_sample_and_not_to_the_batch():
    whole = seeded_noise(range(5), (2, 3, 3), base_seed=7)
    assert torch.equal(whole[3:], seeded_noise([3, 4], (2, 3, 3), base_seed=7))
    assert balanced_labels(range(8, 13), 10).tolist() == [8, 9, 0, 1, 2]
    step_noise, alone = StepNoise(whole), StepNoise(whole[2:3])
    assert all(torch.equal(step_noise(k)[2:3], alone(k)) for k in range(3))


def first_weight(model):
    return model.blocks[0].mlp.fc1.weight


CHANGES = {
    "in place": lambda model: first_weight(model).mul_(2),
    "past the version counter": lambda model: first_weight(model).data.mul_(2),
    "through numpy": lambda model: np.multiply(first_weight(model).numpy(), 2, out=first_weight(model).numpy()),
    "other data": lambda model: setattr(first_weight(model), "data", 2 * first_weight(model).data),
    "another parameter": lambda model: setattr(
        model.blocks[0].mlp.fc1, "weight", torch.nn.Parameter(2 * first_weight(model), requires_grad=False)
    ),
    "positions": lambda model: model.pos_embed.data.mul_(2),
    "last layer": lambda model: model.final_layer.linear.weight.data.mul_(2),
    "loaded": lambda model: model.load_state_dict({key: 2 * value for key, value in model.state_dict().items()}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_second_call_sees_weights_that_changed_in_any_way(model, change):
    own = copy.deepcopy(model)
    before = run(own, guidance_scale=1.5)
    change(own)
    after = run(own, guidance_scale=1.5)
    assert not torch.equal(after, before)
    assert torch.equal(after, run(copy.deepcopy(own), guidance_scale=1.5))


def test_an_unconditional_uvit_samples():
    uvit = UViT(4, 1, 3, 16, 2, 2, num_classes=-1).eval().requires_grad_(False)
    assert torch.isfinite(run(uvit)).all()
    with pytest.raises(InputError, match="guidance needs a denoiser with a null class"):
        run(uvit, guidance_scale=1.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cache": uncached(9, 4)}, "the plan has 9 rows, the sampler makes 3 evaluations"),
        (
            {"step_noise": torch.zeros(3, 1, 4, 4, 4)},
            r"step noise has shape \[3, 1, 4, 4, 4\], expected \[3, 2, 4, 4, 4\]",
        ),
        ({"guidance_channels": 5}, r"guidance_channels must lie in 1\.\.4, got 5"),
        ({"guidance_channels": -1}, "got -1"),
    ],
)
def test_arguments_that_do_not_fit_are_one_line(model, settings, message):
    with pytest.raises(InputError, match=message):
        run(model, **settings)


def test_noise_and_labels_must_fit_the_denoiser(model):
    sampler = methods.build("ddim", steps=2)
    with pytest.raises(InputError, match="noise has shape"):
        sample(model, sampler, noise=torch.zeros(2, 3, 4, 4), labels=torch.tensor([0, 1]))
    with pytest.raises(InputError, match="labels have shape"):
        sample(model, sampler, noise=torch.zeros(2, 4, 4, 4), labels=torch.tensor([0]))
    with pytest.raises(InputError, match=r"labels must lie in 0\.\.10"):
        sample(model, sampler, noise=torch.zeros(2, 4, 4, 4), labels=torch.tensor([0, 11]))
