"""The decisions on a whole result directory, and what they say of each cell in columns of results.csv."""

from __future__ import annotations

from typing import Any

from bench.judge.decision import Decision, Ruling, decide
from bench.judge.pareto import pools
from bench.judge.ranking import ranked
from bench.judge.verdict import REPLACEABLE
from bench.store.results import Results
from bench.store.stored_cell import Name


def judged(results: Results, made: list[tuple[str, Decision]] | None = None) -> dict[Name, dict[str, Any]]:
    """`bench.judge.ranking.ranked`, and `verdict` and `verdict_by` of every cell that is ok; `made`: the decisions."""
    analysis = ranked(results.cells, results.suite.reference)
    for model, decision in decisions(results) if made is None else made:
        for slug, ruling in decision.rulings.items():
            analysis.setdefault((model, slug), {}).update(verdict=ruling.word, verdict_by=told(ruling))
    return analysis


def decisions(results: Results) -> list[tuple[str, Decision]]:
    """Of every pool of cells that were measured alike, with its model, in the order of `pools`."""
    decided = []
    for members in pools(results.cells).values():
        model = members[0].model
        decided.append((model, decide(members, results.suite.reference.get(model), results.suite.judging)))
    return decided


def largest(results: Results) -> dict[str, Decision]:
    """The decision on every model's largest pool."""
    by_model: dict[str, Decision] = {}
    for model, decision in decisions(results):
        if model not in by_model or len(decision.rulings) > len(by_model[model].rulings):
            by_model[model] = decision
    return by_model


def told(ruling: Ruling) -> str:
    """The setting that replaces it, or all rivals; by slug."""
    return ruling.by[0] if ruling.word == REPLACEABLE else "; ".join(ruling.by)
