"""How often what a report says by fidelity is false, where the truth is known: the axes `fd_own` and `ode_error`.

`nice python -m bench.benchmarks.fidelity_verdicts [OUT] [--quick]` writes results/benchmarks/fidelity_verdicts.json; a
few minutes on one core. As bench/benchmarks/verdicts.py does for `fd`: each report draws balanced samples with classes
for all settings, and rounds of latencies, and is judged by bench/judge/verdict.py. For `fd_own` the reference's own
samples of the same seeds are drawn with the others'; the truth is the distance between the two populations. For
`ode_error` every seed has an error that depends on its class, its own luck and the setting; the truth is its mean.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.benchmarks.class_populations import Population
from bench.benchmarks.verdicts import MARGIN, NOISE, ROUNDS, Truth, made, summary
from bench.host.environment import environment
from bench.host.files import write_json
from bench.judge.verdict import Headline, Margins, Verdict, certain, headline, verdicts
from bench.quality.metrics.frechet import Moments, Target
from bench.quality.metrics.own_distance import own_distance
from bench.statistics.jackknife import jackknife_groups
from bench.statistics.simultaneous import Axis, from_jackknife, from_repetitions

SEEDS, CLASSES, RESOLUTION = 48, 10, 0.003  # of the exact solution's, as a run has them
OUT = Path("results/benchmarks/fidelity_verdicts.json")
Array = np.ndarray
Draw = Callable[[np.random.Generator], Axis]
Report = tuple[Headline, list[Verdict], Margins]


def own_truth(population: Population) -> Array:
    """True distances [S] of all settings' populations to the reference's, the first."""
    parts = [Moments(x.mean(axis=0), np.cov(x.T, bias=True)) for x in population.settings.values()]
    return np.array([0.0] + [Target(parts[0]).distance_of(part) for part in parts[1:]])


def own_axis(population: Population, samples: int, rng: np.random.Generator) -> Axis:
    """What one run knows of `fd_own` [S]; the reference is at 0 without an error."""
    rows, labels = population.draw(samples, rng)
    groups = jackknife_groups(samples, labels)
    own, *others = (x[rows] for x in population.settings.values())
    distances = [own_distance(x, own, groups, labels) for x in others]
    plain = np.array([0.0] + [one["fd_own_plain"] for one in distances])
    without = np.array([[0.0] * (groups.max() + 1)] + [one["fd_own_jackknife"] for one in distances])
    return from_jackknife(plain, without.T)


def error_axis(truth: Array, rng: np.random.Generator) -> Axis:
    """What one run knows of `ode_error` [S]: log-normal errors of SEEDS seeds, of which classes and seeds share a part.

    The exact solution is off by its resolution, the same way for every seed of a setting.
    """
    classes = np.arange(SEEDS) % CLASSES
    of_class = 0.4 * np.linspace(-1, 1, CLASSES)[classes][:, None]
    logs = of_class + 0.4 * rng.normal(size=(SEEDS, 1)) + 0.25 * rng.normal(size=(SEEDS, len(truth)))
    usual = np.exp(of_class + (0.4**2 + 0.25**2) / 2).mean()  # of exp(logs), over these labels
    wrong = RESOLUTION * rng.uniform(-1, 1, size=len(truth))
    return from_repetitions(truth * np.exp(logs) / usual + wrong, slack=2 * RESOLUTION)


def study(name: str, truth: Truth, draw: Draw, margins: Margins, repeats: int, seed: int = 0) -> dict[str, Any]:
    """Shares of false statements and of decided settings over `repeats` reports."""
    rng, seen = np.random.default_rng([seed, len(name)]), list[Report]()
    for _ in range(repeats):
        pace = 0.3 * rng.normal(size=(ROUNDS, 1))
        fast = from_repetitions(truth.latency + pace + NOISE * rng.normal(size=(ROUNDS, len(truth.latency))))
        good = draw(rng)
        head = headline(fast, good, 0, margins)
        seen.append((head, verdicts(fast, good, certain(fast, good, margins), margins, head.setting), margins))
    return {"name": name, "settings": len(truth.latency), "repeats": repeats, "rule": summary(truth, seen)}


def own_study(settings: int, step: float, samples: int, repeats: int) -> dict[str, Any]:
    population, latency = made(settings, step)
    truth = Truth(population, latency)
    margins = Margins(MARGIN * float(truth.quality[0]))  # shares of the reference's corrected distance
    truth.quality = own_truth(population)
    name = f"{settings} settings, steps of {step:g}, {samples} samples"
    outcome = study(name, truth, lambda rng: own_axis(population, samples, rng), margins, repeats)
    return {"axis": "fd_own", "samples": samples} | outcome


def error_study(settings: int, span: float, repeats: int) -> dict[str, Any]:
    """Errors from 0.1 on, the largest `span` times that; slower ones are closer, but roughly."""
    population, latency = made(settings, 0.002)
    truth = Truth(population, latency)
    truth.quality = 0.1 * np.exp(np.linspace(0, np.log(span), settings))
    outcome = study(f"{settings} settings, errors up to {span:g} times the least", truth,
                  lambda rng: error_axis(truth.quality, rng), Margins(MARGIN), repeats)  # fmt: skip
    return {"axis": "ode_error", "seeds": SEEDS} | outcome


def run(say: Callable[[str], object], quick: bool = False) -> dict[str, Any]:
    settings, repeats = (6, 10) if quick else (14, 40)
    studies = []
    for span in (1.5, 6.0):
        say(f"ode_error, {span:g}")
        studies.append(error_study(settings, span, repeats if quick else 100))
    for step in (0.002, 0.3):
        say(f"fd_own, {step:g}")
        studies.append(own_study(settings, step, 510, repeats))
    return {"study": "fidelity_verdicts", "promised": 0.05, "margin": MARGIN, "settings": studies,
            "environment": environment()}  # fmt: skip


def main(arguments: list[str]) -> None:
    paths = [a for a in arguments if not a.startswith("-")]
    result = run(lambda text: print(text, file=sys.stderr, flush=True), "--quick" in arguments)
    write_json(Path(paths[0]) if paths else OUT, json.loads(json.dumps(result)))


if __name__ == "__main__":
    main(sys.argv[1:])
