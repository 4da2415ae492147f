"""`--only`: which cells of a suite to run, or of stored results to show. docs/suites.md describes the expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol, TypeVar

from models.errors import InputError, expect_one_of, nearest

Facts = dict[str, str]  # what conditions can ask: model, slug, sampler, cache, engine and every parameter


class Method(Protocol):
    """A sampler or a cache method with all of its parameters."""

    @property
    def name(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Any]: ...


class Named(Protocol):
    """What a cell to run and a stored cell have in common."""

    @property
    def model(self) -> str: ...
    @property
    def slug(self) -> str: ...
    @property
    def sampler(self) -> Method: ...
    @property
    def cache(self) -> Method | None: ...
    @property
    def engine(self) -> str: ...


C = TypeVar("C", bound=Named)
C_co = TypeVar("C_co", bound=Named, covariant=True)


class Collection(Protocol[C_co]):
    """A suite, or the results in a directory; `where` names it in messages."""

    @property
    def cells(self) -> Sequence[C_co]: ...
    @property
    def where(self) -> str: ...


def select(collection: Collection[C], expression: str | None) -> list[C]:
    """The cells that match, in their order; all of them without an expression. Raises InputError as `matches`."""
    cells = collection.cells
    chosen = matches([_facts(cell) for cell in cells], expression, collection.where)
    return [cell for cell, wanted in zip(cells, chosen, strict=True) if wanted]


def matches(facts: Sequence[Facts], expression: str | None, where: str) -> list[bool]:
    """Which of the cells with these facts an expression chooses; every one without an expression.

    An expression is either a pattern for `model/slug` or a slug (`dit-mnist/*`, `*fora*`), or conditions
    joined by commas that must all hold (`model=dit-mnist,cache=fora|none,steps=20`); values are patterns too,
    `|` separates alternatives. Raises InputError for an unknown key, for an alternative that no cell has, and where
    nothing matches.
    """
    if expression is None:
        return [True] * len(facts)
    if "=" in expression:
        conditions = _conditions(expression, {key for fact in facts for key in fact})
        for key, values in conditions.items():
            _expect_each(key, values, {fact.get(key, "") for fact in facts}, f"--only {expression}", where)
        chosen = [all(_matches(fact.get(key, ""), values) for key, values in conditions.items()) for fact in facts]
    else:
        patterns = expression.split("|")
        chosen = [_matches(f["slug"], patterns) or _matches(f"{f['model']}/{f['slug']}", patterns) for f in facts]
    if not any(chosen):
        raise InputError(f"--only {expression}: no cell of {where} matches")
    return chosen


def _facts(cell: Named) -> Facts:
    params = {**cell.sampler.params, **({} if cell.cache is None else cell.cache.params)}
    cache = "none" if cell.cache is None else cell.cache.name
    named = {"model": cell.model, "slug": cell.slug, "sampler": cell.sampler.name, "cache": cache}
    return _texts(params) | named | {"engine": cell.engine}


def _texts(params: dict[str, Any]) -> Facts:
    return {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in params.items()}


def _conditions(expression: str, keys: set[str]) -> dict[str, list[str]]:
    conditions: dict[str, list[str]] = {}
    for part in expression.split(","):
        key, equals, values = part.partition("=")
        if not equals:
            raise InputError(f"--only {expression}: expected key=value, got '{part}'")
        expect_one_of("key in --only", key.strip(), keys)
        if key.strip() in conditions:
            raise InputError(f"--only {expression}: {key.strip()} is given twice; alternatives are {key.strip()}=A|B")
        conditions[key.strip()] = [_number(value.strip()) for value in values.split("|")]
    return conditions


def _expect_each(key: str, values: list[str], known: set[str], option: str, where: str) -> None:
    """Raise InputError for an alternative that no cell has: it would be left out without a word."""
    for value in values:
        if not any(_matches(one, [value]) for one in known):
            close = nearest(value, known)
            hint = f"; did you mean '{close}'?" if close else ""
            raise InputError(f"{option}: no cell of {where} matches {key}={value}{hint}")


def _number(value: str) -> str:
    """1e-5 and 0.00001 are the same number."""
    try:
        return value if value.isdigit() else f"{float(value):g}"
    except ValueError:
        return value


def _matches(value: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)
