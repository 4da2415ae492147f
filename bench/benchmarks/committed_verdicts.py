"""How many of the committed settings the rule decides, from their raw results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.judge.latency import latencies
from bench.judge.verdict import Certain, Margins, certain, decided, headline, simultaneous, verdicts
from bench.statistics.interval import Z95
from bench.statistics.simultaneous import Axis, from_covariance, from_jackknife
from bench.store.results import read_results
from bench.store.stored_cell import StoredCell

RULES: dict[str, Callable[[Axis, Axis, Margins], Certain]] = {
    "the rule": certain,
    "each at 95 %": lambda fast, good, _: Certain(fast, good, fast.pointwise(0.95), good.pointwise(0.95)),
    "all at once": lambda fast, good, _: simultaneous(fast, good),
}
RESULTS = Path("results/small-full")
REFERENCE, MARGIN = "ddim-50", 0.05
SESSION = {"dit-mnist": 0.028, "uvit-mnist": 0.040}  # half-widths of pairwise ratios of one session of all settings


def committed(results: Path = RESULTS) -> dict[str, Any]:
    """Of every model: settings, and those that are decided by every rule, as timed and as one session would."""
    by_model = {}
    for model, half in SESSION.items():
        cells = [cell for cell in read_results(results).cells if cell.model == model]
        slugs, quality = [cell.slug for cell in cells], _quality(cells)
        reference = slugs.index(REFERENCE)
        margins = Margins(MARGIN * float(quality.values[reference]))
        timed = latencies(cells)
        logs, error = np.array([t.log for t in timed]), half / Z95 / 2**0.5
        axes = {
            "as timed": from_covariance(logs, np.diag([t.error**2 for t in timed])),
            "in one session": from_covariance(logs, error**2 * np.eye(len(logs))),
        }
        by_model[model] = {"settings": len(cells)} | {
            how: {rule: _outcome(axis, quality, rule, reference, margins, slugs) for rule in RULES}
            for how, axis in axes.items()
        }
    return by_model


def _quality(cells: list[StoredCell]) -> Axis:
    plain = np.array([cell.quality.value("fd") for cell in cells])
    return from_jackknife(plain, np.array([cell.quality.replicates["fd"] for cell in cells]).T)


def _outcome(
    latency: Axis, quality: Axis, rule: str, reference: int, margins: Margins, slugs: list[str]
) -> dict[str, Any]:
    known = RULES[rule](latency, quality, margins)
    head = headline(latency, quality, reference, margins)
    words = verdicts(latency, quality, known, margins, head.setting)
    return {"decided": decided(words), "words": dict(Counter(v.word for v in words)),
            "headline": slugs[head.setting], "speedup": head.speedup, "above": head.above}  # fmt: skip
