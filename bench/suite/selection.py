"""`--only`: which cells of a suite to run, or of stored results to show. docs/suites.md describes the expressions."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from models.errors import InputError, expect_one_of

if TYPE_CHECKING:  # reporting chooses stored cells without the code that runs them
    from bench.suite.cells import Cell
    from bench.suite.file import Suite

Facts = dict[str, str]  # what conditions can ask: model, slug, sampler, cache and every parameter


def select(suite: Suite, expression: str | None) -> list[Cell]:
    """The cells that match, in the suite's order; all of them without an expression. Raises InputError as `matches`."""
    found = matches([_facts(cell) for cell in suite.cells], expression, f"suite '{suite.name}'")
    return [cell for cell, wanted in zip(suite.cells, found, strict=True) if wanted]


def select_stored(cells: Sequence[dict[str, Any]], expression: str | None, where: object) -> list[dict[str, Any]]:
    """The stored cells of a result directory, `where`, that match, in their order. Raises InputError as `matches`."""
    found = matches([_stored_facts(cell) for cell in cells], expression, str(where))
    return [cell for cell, wanted in zip(cells, found, strict=True) if wanted]


def matches(facts: Sequence[Facts], expression: str | None, where: str) -> list[bool]:
    """Which of the cells with these facts an expression chooses; every one without an expression.

    An expression is either a pattern for `model/slug` or a slug (`dit-mnist/*`, `*fora*`), or conditions
    joined by commas that must all hold (`model=dit-mnist,cache=fora|none,steps=20`); values are patterns too,
    `|` separates alternatives. Raises InputError for an unknown key and where nothing matches.
    """
    if expression is None:
        return [True] * len(facts)
    if "=" in expression:
        conditions = _conditions(expression, {key for fact in facts for key in fact})
        chosen = [all(_matches(fact.get(key, ""), values) for key, values in conditions.items()) for fact in facts]
    else:
        patterns = expression.split("|")
        chosen = [_matches(f["slug"], patterns) or _matches(f"{f['model']}/{f['slug']}", patterns) for f in facts]
    if not any(chosen):
        raise InputError(f"--only {expression}: no cell of {where} matches")
    return chosen


def _facts(cell: Cell) -> Facts:
    params = cell.sampler.params | ({} if cell.cache is None else cell.cache.params)
    cache = "none" if cell.cache is None else cell.cache.name
    return _texts(params) | {"model": cell.model, "slug": cell.slug, "sampler": cell.sampler.name, "cache": cache}


def _stored_facts(cell: dict[str, Any]) -> Facts:
    sampler, cache = cell["sampler"], cell.get("cache") or {}
    params = {"steps": sampler.get("steps")} | (sampler.get("params") or {}) | (cache.get("params") or {})
    named = {"model": cell["model"], "slug": cell["slug"], "sampler": sampler["name"]}
    return _texts(params) | named | {"cache": cache.get("name", "none")}


def _texts(params: dict[str, Any]) -> Facts:
    return {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in params.items()}


def _conditions(expression: str, keys: set[str]) -> dict[str, list[str]]:
    conditions = {}
    for part in expression.split(","):
        key, equals, values = part.partition("=")
        if not equals:
            raise InputError(f"--only {expression}: expected key=value, got '{part}'")
        expect_one_of("key in --only", key.strip(), keys)
        conditions[key.strip()] = [_number(value.strip()) for value in values.split("|")]
    return conditions


def _number(value: str) -> str:
    """1e-5 and 0.00001 are the same number."""
    try:
        return value if value.isdigit() else f"{float(value):g}"
    except ValueError:
        return value


def _matches(value: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)
