"""Flow samplers against exact solutions, what networks may predict, and the grids that every sampler takes."""

import math
from pathlib import Path

import pytest
import torch

import methods
from methods import registry
from methods.spacing import SPACINGS
from models.errors import InputError
from models.noise_schedule import linear, sqrt_linear

SCHEDULE = linear()
NOISE = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLEAN = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
DISCRETE = ("ddim", "ddpm", "dpm-solver++", "unipc", "deis", "heun", "edm")


def run(sampler, network, x=NOISE, schedule=SCHEDULE):
    """The samples of `network(timestep, x)`."""
    times = [e.timestep for e in sampler.evaluations(schedule)]
    return sampler.sample(lambda k, x: network(times[k], x), x, schedule, lambda k: torch.zeros_like(x))


@pytest.mark.parametrize("name", ["flow-euler", "flow-heun"])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_straight_flow_is_exact_in_any_number_of_steps(name, spacing, shift):
    """From the grid's first time, where x = (1 - t) x_0 + t ε, the constant velocity ε - x_0 leads to x_0."""
    for steps in (1, 5):
        sampler = methods.build(name, steps=steps, spacing=spacing, shift=shift)
        first = sampler.times(SCHEDULE)[0]
        start = (1 - first) * CLEAN + first * NOISE
        assert torch.allclose(run(sampler, lambda t, x: NOISE - CLEAN, start), CLEAN, atol=1e-12)


@pytest.mark.parametrize(("name", "order"), [("flow-euler", 1), ("flow-heun", 2)])
def test_flow_samplers_converge_at_their_order(name, order):
    """dx/dt = x from t = 1 to 0 shrinks x by e."""
    errors = []
    for steps in (40, 80):
        found = run(methods.build(name, steps=steps), lambda t, x: x)
        errors.append(float((found - NOISE / math.e).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize("name", [n for n in DISCRETE if n != "ddpm"])
@pytest.mark.parametrize("kind", ["x_start", "v"])
def test_what_the_network_predicts_is_only_another_form_of_the_same(name, kind):
    def noise(t, x):
        return 0.3 * x + 0.1 * torch.sin(3 * x)

    def other(t, x):
        signal = SCHEDULE.alphas_cumprod[min(round(t), 999)] if float(t).is_integer() else None
        if signal is None:  # fractional: as the sampler interpolates σ between trained steps
            low = int(t)
            sigma = [math.sqrt(1 / SCHEDULE.alphas_cumprod[i] - 1) for i in (low, low + 1)]
            signal = 1 / (1 + (sigma[0] + (t - low) * (sigma[1] - sigma[0])) ** 2)
        a, s, eps = math.sqrt(signal), math.sqrt(1 - signal), noise(t, x)
        clean = (x - s * eps) / a
        return clean if kind == "x_start" else a * eps - s * clean

    settings = {"steps": 8, "spacing": "trailing"}
    if name == "edm":  # Karras's levels lie between trained steps, whose timesteps are interpolated in log σ
        pytest.skip("its levels and timesteps are interpolated apart")
    expected = run(methods.build(name, **settings), noise)
    found = run(methods.build(name, prediction=kind, **settings), other)
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-9


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("schedule", [linear(), sqrt_linear()], ids=["dit", "uvit"])
def test_every_grid_starts_noisy_and_goes_down(name, spacing, schedule):
    sampler = methods.build(name, steps=7, spacing=spacing)
    times = [e.timestep for e in sampler.evaluations(schedule) if e.stage == 0]
    assert len(times) == 7
    assert times == sorted(times, reverse=True)
    assert times[0] > 800
    assert times[-1] >= schedule.first_timestep - 1e-9
    found = run(sampler, lambda t, x: 0.5 * x, NOISE, schedule)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_ddpm_on_diffusers_grids_is_its_scheduler(spacing, steps):
    """Also where the steps are unevenly far apart, and where the last evaluation is not at trained step 0."""
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDPMScheduler(
        beta_start=1e-4, beta_end=0.02, timestep_spacing=spacing, clip_sample=False, variance_type="fixed_small"
    )
    scheduler.set_timesteps(steps)
    sampler = methods.build("ddpm", steps=steps, spacing=spacing)
    times = [e.timestep for e in sampler.evaluations(SCHEDULE)]
    assert times == scheduler.timesteps.tolist()

    theirs, x = torch.Generator().manual_seed(2), NOISE
    for t in scheduler.timesteps:
        x = scheduler.step(0.5 * torch.tanh(x), t, x, generator=theirs).prev_sample
    ours = torch.Generator().manual_seed(2)
    found = sampler.sample(
        lambda k, x: 0.5 * torch.tanh(x), NOISE, SCHEDULE, lambda k: torch.randn(x.shape, generator=ours, dtype=x.dtype)
    )
    assert float((found - x).abs().max() / x.abs().max()) < 1e-5  # its tables are float32


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [3, 7, 250])
def test_ddpm_keeps_the_mean_of_gaussian_data(spacing, steps):
    """Of data N(m, 0.5²), whose noise is known: every step takes the mean α m to that of the next evaluation."""
    mean, levels = 0.7, SCHEDULE.alphas_cumprod

    def noise(t, x):
        signal = levels[int(t)]
        return math.sqrt(1 - signal) * (x - math.sqrt(signal) * mean) / (0.25 * signal + 1 - signal)

    sampler = methods.build("ddpm", steps=steps, spacing=spacing)
    first = int(sampler.evaluations(SCHEDULE)[0].timestep)
    found = run(sampler, noise, torch.full_like(NOISE, math.sqrt(levels[first]) * mean))
    assert torch.allclose(found, torch.full_like(NOISE, mean), atol=1e-9)


def test_the_official_spacing_of_ddim_is_the_one_it_had():
    assert methods.build("ddim", spacing="official").params == methods.build("ddim").params


@pytest.mark.parametrize("name", ["unipc", "deis", "heun", "ddim"])
def test_more_steps_than_were_trained_is_one_line(name):
    sampler = methods.build(name, steps=40, spacing="linspace")
    with pytest.raises(InputError, match="'steps' = 40 is more than the 30 steps"):
        sampler.evaluations(linear(30))


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("unipc", {"solver_type": "bh1"}, "needs 'final_sigma' = 'sigma_min'"),
        ("unipc", {"spacing": "trailling"}, "did you mean 'trailing'"),
        ("dpm-solver++", {"final_sigma": "zero"}, "need a 'spacing'|need 'spacing'"),
        ("dpm-solver++", {"variant": "uvit-fast", "spacing": "leading"}, "has no 'spacing'"),
        ("ddim", {"offset": 1}, "'offset' needs 'spacing'"),
    ],
)
def test_settings_that_do_not_go_together_are_one_line(name, params, said):
    with pytest.raises(InputError, match=said):
        methods.build(name, **params)


def test_the_page_of_methods_names_every_method():
    text = (Path(__file__).parents[1] / "docs" / "methods.md").read_text("utf-8")
    for name, method in registry.REGISTERED.shipped.items():  # other tests may have registered plugins
        assert (f"**{name}** (" if method.kind == "cache" else f"`{name}`") in text, name
