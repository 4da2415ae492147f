"""`--only`: which cells of a suite to run. docs/suites.md describes the expressions."""

from __future__ import annotations

from fnmatch import fnmatchcase

from bench.cells import Cell
from bench.suite import Suite
from models.errors import InputError, expect_one_of


def select(suite: Suite, expression: str | None) -> list[Cell]:
    """The cells that match, in the suite's order; all of them without an expression.

    An expression is either a pattern for `model/slug` or a slug (`dit-mnist/*`, `*fora*`), or conditions
    joined by commas that must all hold (`model=dit-mnist,cache=fora|none,steps=20`); values are patterns too,
    `|` separates alternatives. Raises InputError for an unknown key and where nothing matches.
    """
    if expression is None:
        return list(suite.cells)
    facts = [_facts(cell) for cell in suite.cells]
    if "=" in expression:
        conditions = _conditions(expression, {key for fact in facts for key in fact})
        chosen = [all(_matches(fact.get(key, ""), values) for key, values in conditions.items()) for fact in facts]
    else:
        patterns = expression.split("|")
        chosen = [_matches(f["slug"], patterns) or _matches(f"{f['model']}/{f['slug']}", patterns) for f in facts]
    cells = [cell for cell, wanted in zip(suite.cells, chosen, strict=True) if wanted]
    if not cells:
        raise InputError(f"--only {expression}: no cell of suite '{suite.name}' matches")
    return cells


def _facts(cell: Cell) -> dict[str, str]:
    """What conditions can ask: model, slug, sampler, cache and every parameter."""
    params = cell.sampler.params | ({} if cell.cache is None else cell.cache.params)
    named = {
        "model": cell.model,
        "slug": cell.slug,
        "sampler": cell.sampler.name,
        "cache": "none" if cell.cache is None else cell.cache.name,
    }
    return {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in params.items()} | named


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
