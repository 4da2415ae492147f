"""How often what a report says of its settings is false, where the truth is known, and how many it decides.

`nice python -m bench.benchmarks.verdicts [OUT] [--quick] [--samples FOLDER | --committed]` writes
results/benchmarks/verdicts.json; a few minutes on one core. Each report draws a sample set with balanced classes for
all settings and rounds of latencies, and is judged by bench/judge/verdict.py. With --samples a population is read from
FOLDER/<setting>/*.npz: `pool` features of new samples of the settings of the suite `small`. The settings that are
committed are counted too; with --committed those alone are counted again, in the file that is there.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.benchmarks.class_populations import Population, stored, synthetic
from bench.benchmarks.committed_verdicts import RULES, committed
from bench.benchmarks.jackknife_coverage import share
from bench.host.environment import environment
from bench.host.files import write_json
from bench.judge.hypervolume import dominated_area
from bench.judge.verdict import Headline, Margins, Verdict, decided, headline, verdicts
from bench.statistics.jackknife import jackknife_groups
from bench.statistics.simultaneous import Axis, from_jackknife, from_repetitions

MARGIN = 0.05  # of the reference's corrected distance
ROUNDS, NOISE = 24, 0.04  # of latencies: rounds, and the standard deviation of log time within a round
OUT = Path("results/benchmarks/verdicts.json")
Array = np.ndarray


def report(population: Population, truth: Truth, samples: int, rng: np.random.Generator) -> tuple[Axis, Axis]:
    """What one run measures: log latencies, and Fréchet distances with their replicates."""
    rows, labels = population.draw(samples, rng)
    groups = jackknife_groups(samples, labels)
    sets = [x[rows] for x in population.settings.values()]
    plain = np.array([population.target.distance(x) for x in sets])
    without = np.stack([population.target.distances_without(x, groups, labels) for x in sets], axis=1)
    pace = 0.3 * rng.normal(size=(ROUNDS, 1))
    times = truth.latency + pace + NOISE * rng.normal(size=(ROUNDS, len(sets)))
    return from_repetitions(times), from_jackknife(plain, without)


class Truth:
    """The true log latencies and distances [S]; the reference is the first setting, and the slowest."""

    def __init__(self, population: Population, latency: Array) -> None:
        self.latency = latency
        self.quality = np.array([population.distance(name) for name in population.settings])

    def area(self, family: list[int]) -> float:
        """The true hypervolume of some settings."""
        gaps = self.quality[family] / self.quality[0] - 1
        return dominated_area(zip(self.latency[family] - self.latency[0], gaps, strict=True), 1.0)

    def false(self, verdicts: Sequence[Verdict], margins: Margins) -> list[int]:
        """Settings of which something false is said."""
        return [a for a, verdict in enumerate(verdicts) if self._is_false(a, verdict, margins)]

    def _is_false(self, a: int, verdict: Verdict, margins: Margins) -> bool:
        if verdict.word == "worth":
            return any(self._dominates(b, a) for b in range(len(self.quality)) if b != a)
        return verdict.word == "replaceable" and not self._replaces(verdict.by[0], a, margins)

    def _dominates(self, b: int, a: int) -> bool:
        return bool(self.quality[b] <= self.quality[a] and self.latency[b] <= self.latency[a])

    def _replaces(self, b: int, a: int, margins: Margins) -> bool:
        worse, slower = self.quality[b] - self.quality[a], self.latency[b] - self.latency[a]
        return bool((slower < 0 and worse <= margins.quality) or (worse < 0 and slower <= margins.latency))

    def named(self, headline: Headline, margins: Margins) -> bool:
        """Whether the truly fastest setting within the bound is the headline's, or among what may be faster."""
        within = self.quality - self.quality[0] <= margins.allowance
        return int(np.argmin(np.where(within, self.latency, np.inf))) in (headline.setting, *headline.faster)

    def above(self, headline: Headline, margins: Margins) -> bool:
        """Whether the headline's setting is truly beyond the bound."""
        return bool(self.quality[headline.setting] - self.quality[0] > margins.allowance)


def study(population: Population, latency: Array, samples: int, repeats: int, seed: int = 0) -> dict[str, Any]:
    """Shares of false statements and of decided settings, for every rule."""
    truth, rng = Truth(population, latency), np.random.default_rng([seed, samples])
    seen: dict[str, list[tuple[Headline, list[Verdict], Margins]]] = {rule: [] for rule in RULES}
    for _ in range(repeats):
        fast, good = report(population, truth, samples, rng)
        margins = Margins(MARGIN * max(float(good.values[0]), 0.0))
        for rule in RULES:
            known = RULES[rule](fast, good, margins)
            head = headline(fast, good, 0, margins)
            seen[rule].append((head, verdicts(fast, good, known, margins, head.setting), margins))
    return {
        "population": population.name,
        "settings": len(latency),
        "samples": samples,
        "repeats": repeats,
        "truth": {"log_latency": latency.tolist(), "fd": truth.quality.tolist()},
        "rules": {rule: summary(truth, outcomes) for rule, outcomes in seen.items()},
    }


def summary(truth: Truth, outcomes: list[tuple[Headline, list[Verdict], Margins]]) -> dict[str, Any]:
    false = [truth.false(words, margins) for _, words, margins in outcomes]
    spoken = [sum(v.word in ("worth", "replaceable") for v in words) for _, words, _ in outcomes]
    kinds = {
        word: sum(words[a].word == word for (_, words, _), wrong in zip(outcomes, false, strict=True) for a in wrong)
        for word in ("worth", "replaceable")
    }
    return {
        "decided": float(np.mean([decided(words) for _, words, _ in outcomes])),
        "words": {k: v / len(outcomes) for k, v in Counter(v.word for _, words, _ in outcomes for v in words).items()},
        "false_share": float(np.mean([len(wrong) / max(1, n) for wrong, n in zip(false, spoken, strict=True)])),
        "false_of_all": sum(map(len, false)) / max(1, sum(spoken)),
        "false_by_word": kinds,
        "false_reports": share([bool(wrong) for wrong in false]),
        "false_headlines": share([truth.above(head, margins) for head, _, margins in outcomes]),
        "fastest_named": share([truth.named(head, margins) for head, _, margins in outcomes]),
        "headlines": dict(Counter(head.setting for head, _, _ in outcomes).most_common(5)),
    }


def made(settings: int, step: float, seed: int = 0) -> tuple[Population, Array]:
    """Settings whose distances hardly differ (a small `step`) or do, and whose latencies follow them but roughly."""
    population = synthetic(10, dimensions=16, settings=settings, step=step, turn=1.0)
    rng = np.random.default_rng(seed)
    latency = -1.8 * np.arange(settings) / settings + 0.25 * rng.normal(size=settings)
    latency[0] = latency.max() + 0.1  # the reference is the slowest
    return population, latency


def run(say: Callable[[str], object], quick: bool = False, folder: Path | None = None) -> dict[str, Any]:
    repeats, settings = (20, 8) if quick else (100, 48)
    plan = []
    for how, step in (("hardly", 0.002), ("clearly", 0.012)):
        drawn = made(settings, step)
        for samples in (510,) if quick else (510, 2000):
            plan.append((f"{settings} settings that {how} differ", *drawn, samples))
    if folder is not None:
        plan += [("the settings of the suite small", *stored(folder), samples) for samples in (510, 2000)]
    studies = []
    for name, population, latency, samples in plan:
        say(f"{name}, {samples} samples")
        studies.append({"name": name} | study(population, latency, samples, repeats))
    return {"study": "verdicts", "promised": 0.05, "margin": MARGIN, "settings": studies, "committed": committed(),
            "environment": environment()}  # fmt: skip


def main(arguments: list[str]) -> None:
    folder = Path(arguments[arguments.index("--samples") + 1]) if "--samples" in arguments else None
    paths = [a for a in arguments if not a.startswith("-") and a != str(folder)]
    out = Path(paths[0]) if paths else OUT
    if "--committed" in arguments:
        result = json.loads(out.read_text()) | {"committed": committed()}
    else:
        result = run(lambda text: print(text, file=sys.stderr, flush=True), "--quick" in arguments, folder)
    write_json(out, json.loads(json.dumps(result)))


if __name__ == "__main__":
    main(sys.argv[1:])
