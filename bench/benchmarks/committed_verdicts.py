"""How many of the committed settings the rule decides, beside two other rules on the same axes, from raw results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.judge.decision import margins_of, reference_of
from bench.judge.latency import latency_axis
from bench.judge.quality_axis import quality_axis, why_lacking
from bench.judge.verdict import Certain, Margins, certain, decided, headline, simultaneous, verdicts
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
