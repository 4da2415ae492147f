"""A plugin's method against its baseline in seconds: `ditbench check-method FILE --quick`. A look, no result.

A cache method runs in the setting of its tests on DDIM-20, against DDIM-20 uncached; a sampler against DDIM-50. Eight
seeds, both in turns.
"""

from __future__ import annotations

import time
from typing import Any

import methods
import models
from bench.cost.plan_cost import plan_macs
from bench.measure.timing.stopwatch import quiet_interpreter
from bench.quality.metrics.paired import latent_error
from bench.sampling import balanced_labels, make_plan, seeded_noise
from bench.sampling.compiled import Run, prepare
from bench.statistics.medians import ratio_interval
from bench.suite.naming import in_brackets
from methods.method import CacheMethod, Method, Sampler
from models.denoiser import Denoiser
from models.errors import InputError

MODEL, SEEDS, CACHED, REFERENCE = "dit-mnist", 8, 20, 50
ROUNDS, SECONDS = 9, 8.0  # at most, of a method; three rounds at least


def quick_look(method: type[Method], model: Denoiser) -> str:
    """One line. Raises InputError where the method does not run on that model, and whatever a plugin raises."""
    sampler, cache, baseline = contestants(method, model)
    runs = [prepared(model, sampler, cache), prepared(model, baseline, None)]
    given = seeded_noise(range(SEEDS), model.latent_shape), balanced_labels(range(SEEDS), classes(model))
    mine, theirs = (run(*given).clone() for run in runs)
    times: list[list[int]] = [[], []]
    until = time.monotonic() + SECONDS
    with quiet_interpreter(1):
        while len(times[0]) < 3 or (len(times[0]) < ROUNDS and time.monotonic() < until):
            for run, series in zip(runs, times, strict=True):
                started = time.perf_counter_ns()
                run(*given)
                series.append(time.perf_counter_ns() - started)
    ratio, error = ratio_interval(times[1], times[0]), float(latent_error(mine, theirs).mean())
    by_macs = plan_macs(model, runs[1].taken()) / plan_macs(model, runs[0].taken())
    stated = in_brackets(method.tiny if cache is not None else {"steps": sampler.params.get("steps")})
    return (
        f"{method.name}{stated}: {ratio['median']:.2f} times as fast as {baseline.label} uncached "
        f"[{ratio['low']:.2f}, {ratio['high']:.2f}], {by_macs:.2f} by MACs, {error:.3f} from its latents"
    )


def contestants(method: type[Method], model: Denoiser) -> tuple[Sampler, CacheMethod | None, Sampler]:
    """The sampler and the cache method to look at, and the uncached sampler that they are held against."""
    if issubclass(method, Sampler):
        return method(**method.tiny), None, methods.build("ddim", steps=REFERENCE)
    assert issubclass(method, CacheMethod)
    sampler = methods.build("ddim", steps=CACHED)
    cache = method(**method.tiny_params(model, sampler))
    reason = cache.supports(model, sampler)
    if reason:
        raise InputError(reason)
    return sampler, cache, sampler


def prepared(model: Denoiser, sampler: Sampler, cache: CacheMethod | None) -> Run:
    spec: Any = models.spec(model.name)
    guided = {"guidance_scale": spec.guidance_scale, "guidance_channels": spec.guidance_channels}
    return prepare(model, sampler, make_plan(model, sampler, cache), batch=SEEDS, **guided)


def classes(model: Denoiser) -> int:
    return models.spec(model.name).num_classes
