"""Whether errors of Fréchet and kernel distances hold for samples with balanced classes, where the truth is known.

`nice python -m bench.benchmarks.class_coverage [OUT] [--quick]` writes results/benchmarks/class_coverage.json; some ten
minutes on one core, half a minute with --quick, which leaves the denoiser's own samples out. Every quantity is found
twice: "classes ignored" leaves groups out as they are and draws KID's pairs as if samples were independent; "classes
kept" holds the class shares of the whole in every replicate, and KID is the stratified one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.benchmarks.class_populations import Indices, Population, sampled, synthetic
from bench.benchmarks.jackknife_coverage import share
from bench.host.environment import environment
from bench.host.files import write_json
from bench.quality.metrics import kernel_distance as kernels
from bench.statistics.jackknife import GROUPS, Estimate, jackknife, jackknife_groups, paired_difference

REPEATS, QUICK_REPEATS = 300, 60
OUT = Path("results/benchmarks/class_coverage.json")
WAYS = ("classes ignored", "classes kept")
Seen = dict[str, list[tuple[float, Estimate]]]  # the truth and what one sample set says of it


def study(population: Population, samples: int, repeats: int, seed: int = 0) -> dict[str, Any]:
    """Bias, spread, stated error and coverage of every quantity, both ways, over sample sets of one size."""
    rng = np.random.default_rng([seed, samples, population.count])
    truths = {name: population.distance(name) for name in population.settings}
    kernel = population.kernel(next(iter(truths)))
    seen: dict[str, Seen] = {way: {"fd": [], "difference of fd": [], "kid": []} for way in WAYS}
    for _ in range(repeats):
        rows, labels = population.draw(samples, rng)
        groups = jackknife_groups(samples, labels)
        for way, classes in zip(WAYS, (None, labels), strict=True):
            distances = {name: fd_of(population, name, rows, groups, classes) for name in truths}
            first, *others = distances
            seen[way]["fd"].append((truths[first], jackknife(*distances[first], groups)))
            for other in others:
                (a, without_a), (b, without_b) = distances[first], distances[other]
                gap = paired_difference(without_a, without_b, (a, b))
                seen[way]["difference of fd"].append((truths[first] - truths[other], gap))
            seen[way]["kid"].append((kernel, kid_of(population, first, rows, groups, classes)))
    return {
        "population": population.name,
        "classes": population.count,
        "samples": samples,
        "repeats": repeats,
        "truth": {"fd": truths, "kid": kernel},
        "found": {way: {name: summary(pairs) for name, pairs in seen[way].items()} for way in WAYS},
    }


def fd_of(
    population: Population, name: str, rows: Indices, groups: Indices, classes: Indices | None
) -> tuple[float, np.ndarray]:
    """Fréchet distance of one sample set, and its values without each group [G]."""
    x = population.settings[name][rows]
    return population.target.distance(x), population.target.distances_without(x, groups, classes)


def kid_of(population: Population, name: str, rows: Indices, groups: Indices, classes: Indices | None) -> Estimate:
    """KID of all samples as one subset."""
    values = kernels.distances_without(population.settings[name][rows], population.real, groups, classes)
    estimate = jackknife(values[0], values[1:], groups)
    return Estimate(estimate.value, estimate.standard_error, estimate.value)  # it has no bias to correct


def summary(pairs: list[tuple[float, Estimate]]) -> dict[str, Any]:
    errors = np.array([estimate.corrected - truth for truth, estimate in pairs])
    stated = np.array([estimate.standard_error for _, estimate in pairs])
    return {
        "bias": float(errors.mean()),
        "standard_deviation": float(errors.std(ddof=1)),
        "mean_standard_error": float(stated.mean()),
        "coverage": share([estimate.low <= truth <= estimate.high for truth, estimate in pairs]),
    }


def run(say: Callable[[str], object], quick: bool = False) -> dict[str, Any]:
    repeats = QUICK_REPEATS if quick else REPEATS
    plan: list[tuple[Population, tuple[int, ...]]] = [
        (synthetic(10), (512, 640)),
        (synthetic(100, each=40), (500, 1000)),
    ]
    if not quick:
        say("sampling dit-mnist")
        plan += [(sampled(), (512, 640, 2000))]
    studies = []
    for population, sizes in plan:
        for samples in sizes:
            say(f"{population.name}, {samples} samples")
            studies.append(study(population, samples, repeats))
    return {"study": "class_coverage", "promised": 0.95, "groups": GROUPS, "settings": studies,
            "environment": environment()}  # fmt: skip


def main(arguments: list[str]) -> None:
    paths = [argument for argument in arguments if not argument.startswith("-")]
    result = run(lambda text: print(text, file=sys.stderr, flush=True), "--quick" in arguments)
    write_json(Path(paths[0]) if paths else OUT, result)


if __name__ == "__main__":
    main(sys.argv[1:])
