"""What every method must do, on a small randomised denoiser with each sampler; one line of reason where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import methods
from bench.cost.plan_cost import plan_macs
from bench.measure.alive import bytes_between_evaluations
from bench.sampling import balanced_labels, make_plan, sample, seeded_noise
from bench.sampling.compiled import Execution, prepare
from bench.sampling.executor import Executor
from methods.method import CacheMethod, Method, Sampler
from methods.plan import Plan, uncached
from models.denoiser import Denoiser
from models.errors import THEIRS, InputError

STEPS, IMAGES = 6, 2
AGREEMENT = 1e-4  # of max|sample|: what the compiled path may differ from the plain one by


class Failed(Exception):
    """What was found instead of what was expected."""


@dataclass(frozen=True)
class Case:
    """A method with one denoiser and one sampler; for a sampler, itself."""

    method: type[Method]
    model: Denoiser
    sampler: Sampler

    def run(self, cache: Any = None, path: str = "compiled", **settings: Any) -> Tensor:
        noise, labels = self.inputs()
        settings |= {"noise": noise, "labels": labels, "guidance_scale": self.scale, "options": Execution(path)}
        return sample(self.model, self.sampler, cache, **settings)

    def held(self, plan: Plan, path: str) -> list[int]:
        """Bytes held after each evaluation of a plan's trajectory."""
        settings: Any = {"batch": IMAGES, "guidance_scale": self.scale, "options": Execution(path)}
        return bytes_between_evaluations(prepare(self.model, self.sampler, plan, **settings), *self.inputs())

    def inputs(self) -> tuple[Tensor, Tensor]:
        """Noise [N,C,H,W] and labels [N]."""
        return seeded_noise(range(IMAGES), self.model.latent_shape), balanced_labels(range(IMAGES), 10)

    @property
    def scale(self) -> float:
        return 1.5 if self.model.can_be_guided else 1.0

    def tiny(self) -> Any:
        """The cache method in the setting of its tests; None where the method is a sampler."""
        if not issubclass(self.method, CacheMethod):
            return None
        return self.method(**self.method.tiny_params(self.model, self.sampler))


def expect(held: bool, otherwise: str) -> None:
    if not held:
        raise Failed(otherwise)


def is_described(case: Case) -> None:
    """It has a docstring, a lower-case name, and `tiny` sets declared parameters."""
    method = case.method
    expect(bool(method.__doc__), "the class has no docstring")
    expect(method.name == method.name.lower().replace(" ", ""), f"the name '{method.name}' is not lower case")
    unknown = sorted(set(method.tiny) - set(method.parameters))
    expect(not unknown, f"'tiny' sets {', '.join(unknown)}, which is no parameter")


def refuses_unknown_parameters(case: Case) -> None:
    try:
        case.method(nonsense=1)
    except InputError:
        return
    raise Failed("a parameter 'nonsense' is taken")


def plan_is_valid(case: Case) -> None:
    plan, again = (make_plan(case.model, case.sampler, case.tiny()) for _ in range(2))
    evaluations = case.sampler.evaluations(case.model.noise_schedule)
    shape = (len(evaluations), case.model.num_branches)
    expect(plan.computed.shape == shape, f"computed is {plan.computed.shape}, expected {shape}")
    expect(bool(plan.computed[0].all()), "the first evaluation does not compute everything")
    expect(plan == again, "two plans of the same setting differ")
    whole = plan_macs(case.model, uncached(*shape))
    expect(plan_macs(case.model, plan) <= whole, "it works more than the uncached sampler")


def exact_equals_uncached(case: Case) -> None:
    assert issubclass(case.method, CacheMethod)
    exact = case.method.exact_params(case.model, case.sampler)
    if exact is None:
        return
    expect(torch.equal(case.run(), case.run(case.method(**exact))), "the exact setting is not bit for bit")


def is_finite_and_repeats(case: Case) -> None:
    first = case.run(case.tiny())
    expect(bool(torch.isfinite(first).all()), "samples are not finite")
    expect(torch.equal(first, case.run(case.tiny())), "the same seeds give other samples")


def leaves_no_state(case: Case) -> None:
    before = case.run()
    case.run(case.tiny())
    expect(torch.equal(before, case.run()), "the denoiser is not as it was")


def paths_agree(case: Case) -> None:
    traces: list[list[Any]] = [[], []]
    plain = case.run(case.tiny(), "plain", trace=traces[0])
    compiled = case.run(case.tiny(), "compiled", trace=traces[1])
    apart = float((plain - compiled).abs().max() / plain.abs().max())
    expect(np.array_equal(np.array(traces[0]), np.array(traces[1])), "the two paths decide differently")
    expect(apart <= AGREEMENT, f"plain and compiled differ by {apart:.1e} of the largest value")


def keeps_what_its_plan_predicts(case: Case) -> None:
    """Beside the uncached trajectory, whatever is held between two evaluations: by the executor or by a policy."""
    plan, baseline = (make_plan(case.model, case.sampler, cache) for cache in (case.tiny(), None))
    executor, guided = Executor(case.model, plan), case.model.can_be_guided
    predicted = executor.cache_bytes(IMAGES, guided) + executor.decision_bytes(IMAGES, guided)
    for path in ("plain", "compiled"):
        held = max(a - b for a, b in zip(case.held(plan, path), case.held(baseline, path), strict=True))
        expect(held <= predicted, f"{path}: {held} bytes are kept between evaluations, the plan predicts {predicted}")


def makes_its_evaluations(case: Case) -> None:
    seen: list[tuple[int, float]] = []
    case.run(callback=lambda k, t, x, out: seen.append((k, t)))
    announced = [(k, e.timestep) for k, e in enumerate(case.sampler.evaluations(case.model.noise_schedule))]
    expect(seen == announced, f"{len(seen)} evaluations were made, {len(announced)} announced, or at other timesteps")


ONCE = (is_described, refuses_unknown_parameters)
CACHE = (plan_is_valid, exact_equals_uncached, is_finite_and_repeats, leaves_no_state, paths_agree)
WITH_DDIM = (keeps_what_its_plan_predicts,)  # a cache's memory does not depend on the sampler
SAMPLER = (makes_its_evaluations, is_finite_and_repeats, paths_agree)


def checks(method: type[Method], models: dict[str, Denoiser]) -> Iterator[tuple[str, str | None]]:
    """(what was checked, None or the reason why it failed), for each denoiser and each sampler."""
    first = next(iter(models.values()))
    for check in ONCE:
        yield title(check), outcome(check, Case(method, first, methods.build("ddim", steps=STEPS)))
    is_cache = issubclass(method, CacheMethod)
    for name, model in models.items():
        for sampler in methods.names("sampler") if is_cache else [method.name]:
            case = Case(
                method, model, methods.build(sampler, **({"steps": STEPS} if is_cache else methods.find(sampler).tiny))
            )
            reason = unsupported(case)
            for check in () if reason else of_kind(case):
                yield f"{title(check)}: {name}, {sampler}", outcome(check, case)
            if reason:
                yield f"says why it does not run: {name}, {sampler} ({reason})", None


def of_kind(case: Case) -> tuple[Callable[[Case], None], ...]:
    """The checks of a method with one denoiser and one sampler."""
    if not issubclass(case.method, CacheMethod):
        return SAMPLER
    return (*CACHE, *WITH_DDIM) if case.sampler.name == "ddim" else CACHE


def unsupported(case: Case) -> str | None:
    """Why the method says that it does not run; None also where saying so fails, which the checks then show."""
    if not issubclass(case.method, CacheMethod):
        return None
    try:
        return case.method(**case.method.tiny_params(case.model, case.sampler)).supports(case.model, case.sampler)
    except THEIRS:
        return None


def title(check: Callable[[Case], None]) -> str:
    return check.__name__.replace("_", " ")


def outcome(check: Callable[[Case], None], case: Case) -> str | None:
    """None, or one line: a plugin's code may raise anything."""
    try:
        check(case)
    except Failed as failure:
        return str(failure)
    except THEIRS as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return None
