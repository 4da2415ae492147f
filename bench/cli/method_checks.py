"""What every method must do, on a small randomised denoiser with each sampler; one line of reason where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import methods
from bench.cli.method_case import IMAGES, STEPS, Case, Failed, expect
from bench.cli.parameter_checks import defaults_are_allowed, refuses_unknown_parameters, refuses_wrong_values
from bench.cli.policy_checks import computes_as_much_as_it_says, remembers_no_other_trajectory
from bench.cost.plan_cost import plan_macs
from bench.sampling import make_plan
from bench.sampling.executor import Executor
from methods.method import CacheMethod, Method, Sampler
from methods.plan import uncached
from models.denoiser import Denoiser
from models.errors import THEIRS

AGREEMENT = 1e-4  # of max|sample|: what the compiled path may differ from the plain one by


def is_described(case: Case) -> None:
    """It has a docstring, a lower-case name, and `tiny` sets declared parameters."""
    method = case.method
    expect(bool(method.__doc__), "the class has no docstring")
    expect(method.name == method.name.lower().replace(" ", ""), f"the name '{method.name}' is not lower case")
    unknown = sorted(set(method.tiny) - set(method.parameters))
    expect(not unknown, f"'tiny' sets {', '.join(unknown)}, which is no parameter")


def tiny_setting_is_built(case: Case) -> None:
    """The setting of the tests is one; a cache method's for this denoiser."""
    if issubclass(case.method, CacheMethod):
        case.tiny()
    else:
        case.method(**case.method.tiny)


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
    spans, decisions = executor.cache_bytes(IMAGES, guided), executor.decision_bytes(IMAGES, guided)
    predicted = f"the plan predicts {spans + decisions}"
    if plan.policy is not None:
        predicted += f": {spans} by its slots, {decisions} by its policy's remembered_bytes and the last output"
    for path in ("plain", "compiled"):
        held = max(a - b for a, b in zip(case.held(plan, path), case.held(baseline, path), strict=True))
        expect(held <= spans + decisions, f"{path}: {held} bytes are kept between evaluations, {predicted}")


def states_its_files_and_its_cost(case: Case) -> None:
    """Files as paths, the cost of what came before sampling, and what `ditbench choose` screens, where it has any."""
    cache = case.tiny()
    make_plan(case.model, case.sampler, cache)
    files = cache.files(case.model.name, case.sampler) if hasattr(cache, "files") else []
    expect(isinstance(files, list) and all(isinstance(file, Path) for file in files), f"files() gives {files!r}")
    cost = getattr(cache, "training", None)
    numbers = isinstance(cost, Mapping) and all(isinstance(cost.get(key), int | float) for key in ("seconds", "images"))
    expect(cost is None or numbers, f"'training' must be None or have 'seconds' and 'images', got {cost!r}")
    unknown = sorted(set(getattr(cache, "sweep", None) or ()) - set(cache.parameters))
    expect(not unknown, f"'sweep' sets {', '.join(unknown)}, which is no parameter")


def makes_its_evaluations(case: Case) -> None:
    seen: list[tuple[int, float]] = []
    case.run(callback=lambda k, t, x, out: seen.append((k, t)))
    announced = [(k, e.timestep) for k, e in enumerate(case.sampler.evaluations(case.model.noise_schedule))]
    expect(seen == announced, f"{len(seen)} evaluations were made, {len(announced)} announced, or at other timesteps")


Check = Callable[[Case], None]
ONCE: tuple[Check, ...] = (
    is_described,
    tiny_setting_is_built,
    refuses_unknown_parameters,
    defaults_are_allowed,
    refuses_wrong_values,
)
CACHE: tuple[Check, ...] = (plan_is_valid, exact_equals_uncached, is_finite_and_repeats, leaves_no_state, paths_agree)
WITH_DDIM: tuple[Check, ...] = (  # what does not depend on the sampler
    states_its_files_and_its_cost,
    keeps_what_its_plan_predicts,
    remembers_no_other_trajectory,
    computes_as_much_as_it_says,
)
SAMPLER: tuple[Check, ...] = (makes_its_evaluations, is_finite_and_repeats, paths_agree)


def checks(method: type[Method], models: dict[str, Denoiser]) -> Iterator[tuple[str, str | None]]:
    """(what was checked, None or the reason why it failed), for each denoiser and each sampler."""
    first = next(iter(models.values()))
    for check in ONCE:
        yield title(check), outcome(check, Case(method, first, methods.build("ddim", steps=STEPS)))
    for (name, model), sampler in product(models.items(), samplers(method)):
        case = Case(method, model, sampler)
        if (reason := unsupported(case)) is not None:
            said = isinstance(reason, str) and reason and "\n" not in reason
            wrong = None if said else f"supports() gives {reason!r}, expected None or one line that says why not"
            yield f"says why it does not run: {name}, {sampler.name} ({reason})", wrong
            continue
        for check in of_kind(case):
            yield f"{title(check)}: {name}, {sampler.name}", outcome(check, case)


def samplers(method: type[Method]) -> list[Sampler]:
    """What a cache method is checked with, every sampler in few steps, or the sampler itself, as far as it is built."""
    if issubclass(method, Sampler):
        found = [built(method.name, method.tiny)]
    else:
        declared = {name: methods.find(name) for name in methods.names("sampler")}
        steps = {name: {"steps": STEPS} if "steps" in one.parameters else {} for name, one in declared.items()}
        found = [built(name, one.tiny | steps[name]) for name, one in declared.items()]
    return [sampler for sampler in found if sampler is not None]


def built(name: str, params: Mapping[str, Any]) -> Sampler | None:
    """A sampler; None where it cannot be built, which its own check says."""
    try:
        return methods.build(name, **params)
    except THEIRS:
        return None


def of_kind(case: Case) -> tuple[Check, ...]:
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


def title(check: Check) -> str:
    return check.__name__.replace("_", " ")


def outcome(check: Check, case: Case) -> str | None:
    """None, or one line: a plugin's code may raise anything."""
    try:
        check(case)
    except Failed as failure:
        return str(failure)
    except THEIRS as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return None
