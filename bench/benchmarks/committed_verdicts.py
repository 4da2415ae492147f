"""How many of the committed settings the rule decides, beside two other rules on the same axes, from raw results.

`python -m bench.benchmarks.committed_verdicts EARLIER` compares what is said of the settings that an earlier run has in
common with the committed one: `git archive 803019e results/small-full | tar x -C /tmp` is one of another day.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.judge.decision import decide, margins_of, reference_of
from bench.judge.latency import latency_axis
from bench.judge.quality_axis import quality_axis, why_lacking
from bench.judge.verdict import UNDECIDED, Certain, Margins, certain, decided, headline, simultaneous, verdicts
from bench.statistics.simultaneous import Axis
from bench.store.results import Results, read_results
from bench.store.stored_cell import StoredCell

RULES: dict[str, Callable[[Axis, Axis, Margins], Certain]] = {
    "the rule": certain,
    "each at 95 %": lambda fast, good, _: Certain(fast, good, fast.pointwise(0.95), good.pointwise(0.95)),
    "all at once": lambda fast, good, _: simultaneous(fast, good),
}
RESULTS = Path("results/small-full")


def committed(results: Path = RESULTS) -> dict[str, Any]:
    """Of every model: settings, and those that every rule decides. Raises InputError for no or broken results."""
    read = read_results(results)
    return {model: _of_model(read, model) for model in read.models}


def _of_model(results: Results, model: str) -> dict[str, Any]:
    judging = results.suite.judging
    ok = sorted((cell for cell in results.cells if cell.model == model and cell.is_ok), key=lambda cell: cell.slug)
    reference = reference_of(ok, results.suite.reference.get(model))
    if reference is None:
        return {"settings": len(ok), "rules": {}}
    cells = [cell for cell in ok if not why_lacking(cell, reference, judging.axis)]
    axes = latency_axis(cells), quality_axis(cells, reference, judging.axis)
    margins = margins_of(reference, judging)
    return {"settings": len(ok), "rules": {rule: _outcome(*axes, rule, cells, reference, margins) for rule in RULES}}


def _outcome(
    latency: Axis, quality: Axis, rule: str, cells: list[StoredCell], reference: StoredCell, margins: Margins
) -> dict[str, Any]:
    slugs = [cell.slug for cell in cells]
    head = headline(latency, quality, slugs.index(reference.slug), margins)
    words = verdicts(latency, quality, RULES[rule](latency, quality, margins), margins, head.setting)
    return {"decided": decided(words), "words": dict(Counter(v.word for v in words)),
            "headline": slugs[head.setting], "speedup": head.speedup, "above": head.above}  # fmt: skip


def agreement(earlier: Path, later: Path = RESULTS) -> dict[str, Any]:
    """Of every model: how many of the common settings get the same word from both runs, and which contradict."""
    before, after = read_results(earlier), read_results(later)
    return {model: _agreement(before, after, model) for model in before.models if model in after.models}


def _agreement(before: Results, after: Results, model: str) -> dict[str, Any]:
    common = {c.slug for c in before.cells if c.model == model} & {c.slug for c in after.cells if c.model == model}
    first, second = (
        decide(
            [cell for cell in run.cells if cell.model == model and cell.slug in common],
            after.suite.reference.get(model),
            after.suite.judging,
        )
        for run in (before, after)
    )
    words = {slug: (first.rulings[slug].word, second.rulings[slug].word) for slug in sorted(first.rulings)}
    return {
        "settings": len(words),
        "same": sum(one == other for one, other in words.values()),
        "contradict": [slug for slug, both in words.items() if len(set(both)) > 1 and UNDECIDED not in both],
        "headlines": [decision.headline.setting if decision.headline else None for decision in (first, second)],
    }


if __name__ == "__main__":
    print(json.dumps(agreement(Path(sys.argv[1])), indent=1))
