"""DiTs of other predictions, schedules and attention, on what is known: exact predictions, straight lines, by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import methods
import models
from bench.cost.plan_cost import evaluation_macs
from bench.sampling import sample
from bench.train.denoiser import DenoisingLoss
from bench.train.latents import in_memory
from methods.plan import uncached
from models.checkpoint import sha256
from models.dit import DiT
from models.dit_variants import SCHEDULES
from models.errors import InputError
from models.linear_dit import LinearAttention, LinearDiT
from models.noise_schedule import cosine, linear, rectified_flow
from models.objective_dit import ObjectiveDiT
from models.prediction import PREDICTIONS

CONFIG = {"input_size": 4, "patch_size": 2, "in_channels": 3, "hidden_size": 24, "depth": 2, "num_heads": 2,
          "num_classes": 10}  # fmt: skip
SIZE = (2, 3, 4, 4)
FAMILY = [f"dit-mnist-{name}" for name in ("noise", "velocity", "data", "cosine", "sqrt-linear", "linear-attention")]
SHIPPED = [name for name in FAMILY if models.spec(name).weights]


def randomised(model):
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval().requires_grad_(False)


@pytest.fixture
def drawn():
    """Clean latents and noise."""
    return torch.randn(2, *SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("kind", "exact"), [("noise", lambda x0, e: e), ("data", lambda x0, e: x0), ("velocity", lambda x0, e: e - x0)]
)
def test_an_exact_prediction_gives_the_noise(kind, exact, drawn):
    x0, noise = (values.double() for values in drawn)
    alpha, sigma = 0.6, 0.8
    x, rule = alpha * x0 + sigma * noise, PREDICTIONS[kind]
    out = exact(x0, noise)
    torch.testing.assert_close(rule.noise(out, x, alpha, sigma), noise)
    moved = rule.noise(out + 0.1, x, alpha, sigma) - noise
    assert moved.abs().mean().item() * rule.scale(alpha, sigma) == pytest.approx(0.1)


def test_velocity_receives_a_point_on_the_straight_line(drawn):
    x0, noise = drawn
    alpha, sigma = 0.6, 0.8
    t = sigma / (alpha + sigma)
    entered = PREDICTIONS["velocity"].enter(alpha * x0 + sigma * noise, alpha, sigma)
    torch.testing.assert_close(entered, (1 - t) * x0 + t * noise)


@pytest.mark.parametrize("schedule", [cosine(), rectified_flow()])
def test_schedules_end_where_the_linear_one_ends(schedule):
    signal = schedule.alphas_cumprod
    assert len(schedule) == 1000
    assert signal[-1] == pytest.approx(linear().alphas_cumprod[-1], rel=1e-6)
    assert (np.diff(signal) < 0).all()
    assert 0.9999 < signal[0] < 1
    assert (schedule.betas > 0).all()
    assert (schedule.betas < 1).all()


def test_schedules_are_even_in_their_own_times():
    flow = rectified_flow().alphas_cumprod
    noise_over_both = np.sqrt(1 - flow) / (np.sqrt(flow) + np.sqrt(1 - flow))  # t of (1 - t) x_0 + t ε
    assert np.diff(noise_over_both) == pytest.approx(np.full(999, noise_over_both[0]), rel=1e-5)
    angle = np.arccos(np.sqrt(cosine().alphas_cumprod) * math.cos(math.pi / 2 * 0.008 / 1.008))
    assert np.diff(angle) == pytest.approx(np.full(999, np.diff(angle).mean()), rel=1e-5)


@pytest.mark.parametrize("change", [{"schedule": "cosin"}, {"prediction": "velocty"}])
def test_an_unknown_name_is_one_line(change):
    with pytest.raises(InputError, match="did you mean"):
        ObjectiveDiT(**CONFIG, **change)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_predicts_noise_is_a_dit(schedule, drawn):
    plain, own = randomised(DiT(**CONFIG, learn_sigma=False)), randomised(ObjectiveDiT(schedule, **CONFIG))
    t, y = torch.tensor([3.0, 700.0]), torch.tensor([1, 2])
    assert torch.equal(plain(drawn[0], t, y), own(drawn[0], t, y))


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("sampler", ["ddim", "dpm-solver++"])
def test_both_paths_sample_alike_with_guidance(prediction, sampler, drawn):
    model = randomised(ObjectiveDiT("flow", prediction, **CONFIG))
    way = {"noise": drawn[1], "labels": torch.tensor([1, 2]), "guidance_scale": 1.5}
    method, cache = methods.build(sampler, steps=6), methods.build("fora", interval=2)
    fast = sample(model, method, cache, **way)
    plain = sample(model, method, cache, **way, callback=lambda *_: None)
    assert torch.isfinite(fast).all()
    torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-4)


def test_ddim_on_straight_lines_is_euler(drawn):
    """x_0 and ε of one velocity stay on its line: DDIM's step in t is z + Δt v."""
    model = randomised(ObjectiveDiT("flow", "velocity", **CONFIG))
    labels, sampler = torch.tensor([1, 2]), methods.build("ddim", steps=5)
    evaluations = sampler.evaluations(model.noise_schedule)
    ddim = sample(model, sampler, noise=drawn[1], labels=labels)
    places = [torch.full((2,), e.timestep) for e in evaluations]
    sides = [model.signal_and_noise(place) for place in places]
    times = [(sigma / (alpha + sigma))[:1] for alpha, sigma in sides]
    alpha, sigma = sides[0]
    z = drawn[1] / (alpha + sigma)
    for k, place in enumerate(places):
        h, c = super(ObjectiveDiT, model).embed(z, place, labels)
        for index in range(model.num_branches):
            h = model.residual(index, h, model.branch(index, h, c), c)
        velocity = super(ObjectiveDiT, model).unembed(h, c)
        z = z + ((times[k + 1] if k < 4 else 0.0) - times[k]) * velocity
    torch.testing.assert_close(ddim, z, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("noise", lambda x0, e: e), ("data", lambda x0, e: x0), ("velocity", lambda x0, e: e - x0)],
)
def test_the_loss_is_of_what_is_predicted(kind, expected):
    """adaLN-Zero predicts zero, so the loss is the mean square of what should have been predicted."""
    model = ObjectiveDiT("linear", kind, **CONFIG)
    latents, labels = 2 * torch.ones(8, 3, 4, 4), torch.arange(8)
    loss = DenoisingLoss(model, in_memory(latents, labels, "twos"), batch=256)
    own = loss(model, torch.Generator().manual_seed(0)).item()
    noise = torch.randn(10**5, generator=torch.Generator().manual_seed(1))
    assert own == pytest.approx(expected(2.0 + 0 * noise, noise).square().mean().item(), rel=0.05)


def test_linear_attention_by_hand():
    layer = LinearAttention(8, 2, qkv_bias=True)
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    q, k, v = layer.project(x)
    phi = [torch.where(side > 0, side + 1, side.exp()) for side in (q, k)]
    weights = phi[0] @ phi[1].transpose(2, 3)
    mixed = weights / weights.sum(dim=3, keepdim=True) @ v
    torch.testing.assert_close(layer(x), layer.proj(mixed.transpose(1, 2).reshape(x.shape)))


def test_linear_attention_has_the_macs_that_are_counted():
    config = CONFIG | {"patch_size": 1, "learn_sigma": False}  # 16 tokens, heads of 12
    model = randomised(LinearDiT(**config))
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *SIZE[1:]), torch.zeros(1), torch.zeros(1, dtype=torch.int64))
    assert 2 * evaluation_macs(model, uncached(1, model.num_branches), 0) == counter.get_total_flops()
    assert model.branch_macs(0) == DiT(**config).branch_macs(0) + 2 * 16 * 24 * (12 - 16)


@pytest.mark.parametrize("name", FAMILY)
def test_the_family_differs_in_one_thing_alone(name):
    spec, first = models.spec(name), models.spec(FAMILY[0])
    assert spec.training == first.training
    own, base = models.build(name, weights="random"), models.build(FAMILY[0], weights="random")
    assert {k: v.shape for k, v in own.state_dict().items()} == {k: v.shape for k, v in base.state_dict().items()}
    assert [own.branch_macs(j) for j in range(own.num_branches)] == [
        base.branch_macs(j) for j in range(base.num_branches)
    ]
    assert own.out_channels == 8


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_those_of_their_card(name):
    path = models.spec(name).weights
    card, first = (json.loads(models.spec(one).weights.with_name("card.json").read_text()) for one in (name, FAMILY[0]))
    assert card["weights_sha256"] == sha256(path)
    assert path.stat().st_size <= 8e6
    assert card["recipe"] == first["recipe"]
    assert card["evaluation"]["accuracy_guided_1.5"] >= 0.85
