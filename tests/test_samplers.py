"""What holds for every sampler: known evaluations, exact limits, orders of convergence, and how they relate."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from methods.ddim import DDIM
from methods.ddpm import DDPM
from methods.dpm_schedule import LambdaSchedule, LinearVP, alpha, lambda_schedule
from methods.dpm_solver import FIXED, UVIT_FAST, UVIT_SINGLESTEP, VARIANTS, DPMSolver, DPMSolverPlusPlus
from methods.method import Sampler
from models.errors import InputError
from models.noise_schedule import NoiseSchedule, linear, sqrt_linear

SCHEDULES = {"linear": linear(), "sqrt_linear": sqrt_linear()}
SOLVERS = [DPMSolver, DPMSolverPlusPlus]
SKIPS = DPMSolver.parameters["skip_type"].choices
Denoise = Callable[[int, torch.Tensor], torch.Tensor]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shrink(k: int, x: torch.Tensor) -> torch.Tensor:
    """A tame noise prediction that depends on x and k."""
    return torch.tanh(x + 0.1 * math.sin(k))


@st.composite
def solvers(draw: st.DrawFn) -> DPMSolver:
    """Any DPM-Solver with any variant, order, spacing and step count."""
    solver = draw(st.sampled_from(SOLVERS))
    variant = draw(st.sampled_from(solver.parameters["variant"].choices))
    order, steps = draw(st.integers(1, 3)), draw(st.integers(1, 60))
    assume(steps >= order or variant not in (FIXED, UVIT_SINGLESTEP))
    skip = "time_uniform" if variant.startswith("uvit") else draw(st.sampled_from(SKIPS))
    flags = {key: draw(st.booleans()) for key in ("lower_order_final", "denoise_to_zero")}
    return solver(steps=steps, order=order, variant=variant, skip_type=skip, **flags)


def respaced() -> st.SearchStrategy[Sampler]:
    steps = st.integers(1, 60)
    return st.builds(DDIM, steps=steps, eta=st.sampled_from([0.0, 0.5, 1.0])) | st.builds(DDPM, steps=steps)


@settings(deadline=None)
@given(sampler=solvers() | respaced(), name=st.sampled_from(sorted(SCHEDULES)))
def test_makes_exactly_its_evaluations(sampler: Sampler, name: str) -> None:
    schedule, x, calls = SCHEDULES[name], noise(2, 3, 2, 2), []
    before = x.clone()

    def denoise(k: int, x: torch.Tensor) -> torch.Tensor:
        calls.append(k)
        return shrink(k, x)

    sample = sampler.sample(denoise, x, schedule, lambda k: noise(2, 3, 2, 2, seed=k))
    evaluations = sampler.evaluations(schedule)
    assert calls == list(range(len(evaluations)))
    assert sample.shape == x.shape
    assert torch.isfinite(sample).all()
    assert torch.equal(x, before)


@settings(deadline=None)
@given(sampler=solvers() | respaced(), name=st.sampled_from(sorted(SCHEDULES)))
def test_evaluations_descend_and_count_their_stages(sampler: Sampler, name: str) -> None:
    schedule = SCHEDULES[name]
    evaluations = sampler.evaluations(schedule)
    first, last = schedule.first_timestep, schedule.first_timestep + 999
    timesteps = [e.timestep for e in evaluations]
    assert timesteps[0] == pytest.approx(last)
    assert timesteps[-1] >= first - 1e-9
    assert all(a > b for a, b in itertools.pairwise(timesteps))
    steps = [[e.stage for e in group] for _, group in itertools.groupby(evaluations, key=lambda e: e.step)]
    assert all(stages == list(range(len(stages))) for stages in steps)
    assert [step for step, _ in itertools.groupby(e.step for e in evaluations)] == list(range(len(steps)))


@given(steps=st.integers(1, 200), order=st.integers(1, 3), solver=st.sampled_from(SOLVERS))
def test_evaluations_are_those_requested(steps: int, order: int, solver: type[DPMSolver]) -> None:
    """As many as asked for, but a fixed order rounds down to whole steps."""
    for variant in solver.parameters["variant"].choices:
        expected = steps - steps % order if variant in (FIXED, UVIT_SINGLESTEP) else steps
        if expected:
            sampler = solver(steps=steps, order=order, variant=variant)
            assert len(sampler.evaluations(SCHEDULES["linear"])) == expected


@pytest.mark.parametrize("sampler", [DDIM(steps=1000), DDPM(steps=1000)], ids=lambda s: s.label)
@pytest.mark.parametrize("name", SCHEDULES)
def test_all_trained_steps(sampler: Sampler, name: str) -> None:
    first = SCHEDULES[name].first_timestep
    timesteps = [e.timestep for e in sampler.evaluations(SCHEDULES[name])]
    assert timesteps == list(range(first + 999, first - 1, -1))


# How samplers relate


@pytest.mark.parametrize("solver", SOLVERS)
@given(trained=st.integers(8, 40))
@settings(deadline=None, max_examples=20)
def test_first_order_solver_is_ddim(solver: type[DPMSolver], trained: int) -> None:
    """2206.00927, section 4.1; the last DDIM step, to no noise at all, is denoise_to_zero."""
    schedule, x = linear(trained, 1e-3, 0.2), noise(2, 3, 2, 2)
    assume(lambda_schedule(schedule).first_time == 1 / trained)  # no step is dropped as too noisy
    first_order = solver(steps=trained - 1, order=1, denoise_to_zero=True)
    ddim = DDIM(steps=trained).sample(shrink, x, schedule, None)
    torch.testing.assert_close(first_order.sample(shrink, x, schedule, None), ddim, rtol=1e-9, atol=1e-9)


def test_eta_one_is_ddpm_with_the_posterior_variance() -> None:
    schedule, x = SCHEDULES["linear"], noise(2, 3, 2, 2)
    added = noise(20, 2, 3, 2, 2, seed=1)
    ddim = DDIM(steps=20, eta=1.0).sample(shrink, x, schedule, added.__getitem__)
    ddpm = DDPM(steps=20).sample(shrink, x, schedule, added.__getitem__)
    torch.testing.assert_close(ddim, ddpm, rtol=1e-9, atol=1e-9)


def test_learned_variance_at_its_lower_end_is_the_posterior_variance() -> None:
    schedule, x = SCHEDULES["linear"], noise(2, 3, 2, 2)
    added = noise(10, 2, 3, 2, 2, seed=1)

    def with_variance(k: int, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([shrink(k, x), -torch.ones_like(x)], dim=1)

    learned = DDPM(steps=10).sample(with_variance, x, schedule, added.__getitem__)
    torch.testing.assert_close(learned, DDPM(steps=10).sample(shrink, x, schedule, added.__getitem__))


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [(DDIM(steps=5), []), (DDIM(steps=5, eta=0.5), [0, 1, 2, 3]), (DDPM(steps=5), [0, 1, 2, 3])],
)
def test_noise_is_asked_for_only_where_it_is_added(sampler: Sampler, expected: list[int]) -> None:
    asked = []

    def step_noise(k: int) -> torch.Tensor:
        asked.append(k)
        return noise(2, 3, 2, 2, seed=k)

    sampler.sample(shrink, noise(2, 3, 2, 2), SCHEDULES["linear"], step_noise)
    assert asked == expected


# Exact solutions of the probability flow ODE


@settings(deadline=None)
@given(sampler=solvers())
def test_constant_noise_is_integrated_exactly(sampler: DPMSolver) -> None:
    """x_t = α_t x_0 + σ_t ε for fixed ε, whatever the order and the steps."""
    schedule, x, epsilon = SCHEDULES["linear"], noise(2, 3, 2, 2), noise(2, 3, 2, 2, seed=1)
    times = lambda_schedule(schedule)
    start, end = times.to_lambda(1.0), times.to_lambda(times.first_time)
    clean = (x - alpha(-start) * epsilon) / alpha(start)
    expected = clean if sampler.denoise_to_zero else alpha(end) * clean + alpha(-end) * epsilon
    sample = sampler.sample(lambda k, x: epsilon, x, schedule, None)
    assert float((sample - expected).abs().max() / expected.abs().max()) < 1e-9


class Gaussian:
    """Data N(0, s²): x_t has variance v_t = α² s² + σ², ε(x, t) = σ x / v_t, and the ODE's solution is x ∝ √v_t."""

    def __init__(self, scale: float, schedule: LambdaSchedule) -> None:
        self.scale, self.schedule = scale, schedule

    def variance(self, t: float) -> float:
        lam = self.schedule.to_lambda(t)
        return (alpha(lam) * self.scale) ** 2 + alpha(-lam) ** 2

    def error(self, sampler: DPMSolver) -> float:
        """Relative error of the sample from x = 1 at t = 1."""
        times = [e.timestep for e in sampler.evaluations(self.schedule)]  # LinearVP passes t on unchanged

        def denoise(k: int, x: torch.Tensor) -> torch.Tensor:
            return x * alpha(-self.schedule.to_lambda(times[k])) / self.variance(times[k])

        sample = sampler.sample(denoise, torch.ones(1, 1, 1, 1, dtype=torch.float64), self.schedule, None)
        exact = math.sqrt(self.variance(sampler.t_end) / self.variance(1.0))
        return abs(float(sample) / exact - 1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("solver_type", ["dpmsolver", "taylor"])
@pytest.mark.parametrize(("variant", "order"), [("multistep", 1), ("multistep", 2), *((FIXED, p) for p in (1, 2, 3))])
def test_order_of_convergence(solver: type[DPMSolver], solver_type: str, variant: str, order: int) -> None:
    problem = Gaussian(0.5, LinearVP())
    same = {"order": order, "variant": variant, "skip_type": "logSNR", "t_end": 1e-2, "solver_type": solver_type}
    errors = [problem.error(solver(steps=n * order, **same)) for n in (80, 160)]
    assert math.log2(errors[0] / errors[1]) > order - 0.3


def test_thresholding_bounds_the_clean_image() -> None:
    sampler = DPMSolverPlusPlus(steps=6, threshold=0.9, denoise_to_zero=True)
    sample = sampler.sample(shrink, 10 * noise(2, 3, 4, 4), SCHEDULES["linear"], None)
    assert float(sample.abs().max()) <= 1.0


# Parameters and names


@given(sampler=solvers() | respaced())
def test_parameters_rebuild_the_sampler(sampler: Sampler) -> None:
    again = type(sampler)(**sampler.params)
    assert again.params == sampler.params
    assert again.label == sampler.label


@pytest.mark.parametrize(
    ("sampler", "label"),
    [
        (DDIM(steps=50), "DDIM-50"),
        (DDIM(steps=50, eta=0.5), "DDIM-50 (η=0.5)"),
        (DDPM(steps=250), "DDPM-250"),
        (DPMSolverPlusPlus(steps=20), "DPM-Solver++(2M)-20"),
        (DPMSolverPlusPlus(steps=20, variant=UVIT_SINGLESTEP), "DPM-Solver++(2S, U-ViT)-20"),
        (DPMSolverPlusPlus(steps=20, variant=UVIT_FAST), "DPM-Solver++(3S, U-ViT fast)-20"),
        (DPMSolver(steps=15, order=3, variant="singlestep", skip_type="logSNR"), "DPM-Solver(3S, logSNR)-15"),
    ],
)
def test_label(sampler: Sampler, label: str) -> None:
    assert sampler.label == label


def test_every_variant_has_its_own_label() -> None:
    assert len({DPMSolverPlusPlus(variant=variant).label for variant in VARIANTS}) == len(VARIANTS)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DDIM(steps=0), "'steps'"),
        (lambda: DDIM(stepz=4), "did you mean 'steps'"),
        (lambda: DPMSolver(variant=UVIT_FAST), "variant"),
        (lambda: DPMSolver(order=4), "'order'"),
        (lambda: DPMSolver(variant=FIXED, order=3, steps=2), "'steps' >= 'order'"),
        (lambda: DPMSolverPlusPlus(variant=UVIT_FAST, skip_type="logSNR"), "skip_type"),
        (lambda: DPMSolver(t_start=0.1, t_end=0.5), "'t_end'"),
        (lambda: DDIM(steps=20, spacing="stride").evaluations(linear(30)), "stride"),
        (lambda: DDIM(steps=50).evaluations(linear(30)), "more than the 30"),
    ],
)
def test_bad_settings_say_what_is_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()


def test_a_schedule_that_ends_in_pure_noise_is_cut() -> None:
    """λ below -5.1 is dropped; the network still receives its first timestep at the clean end."""
    betas = linear().betas.copy()
    betas[-4:] = 0.9
    schedule = NoiseSchedule(betas)
    times = lambda_schedule(schedule)
    assert times.first_time == 1 / 996
    assert times.network_time(times.first_time) == pytest.approx(0.0, abs=1e-9)
    assert lambda_schedule(schedule, -math.inf).first_time == 1 / 1000
