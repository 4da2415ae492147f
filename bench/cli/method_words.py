"""Methods as words of a command line: `fora interval=2 sampler=ddim steps=50`."""

from __future__ import annotations

import ast
from typing import Any

import methods
from models.errors import THEIRS, InputError, first_line

MAX_WORD = 10_000  # characters that are read as a value


def parse(words: list[str]) -> tuple[Any, Any]:
    """(sampler, cache method or None) from `fora interval=2 sampler=ddim steps=50`. Raises InputError."""
    name, params = words[0], key_values("plan", "key=value", words[1:])
    if methods.find(name).kind == "sampler":
        return built(name, params), None
    sampler = popped_sampler("plan", params)
    return sampler, built(name, params)


def popped_sampler(verb: str, params: dict[str, str]) -> Any:
    """The sampler that words name; those that are the sampler's are taken out of `params`. Raises InputError."""
    sampler = params.pop("sampler", "ddim")
    rest = {k.removeprefix("sampler."): params.pop(k) for k in list(params) if k.startswith("sampler.")}
    if "steps" in rest and "steps" in params:
        raise InputError(f"{verb}: steps={params['steps']} and sampler.steps={rest['steps']} say the same; give one")
    rest.setdefault("steps", params.pop("steps", "50"))
    if methods.find(sampler).kind != "sampler":
        raise InputError(
            f"{verb}: sampler={sampler} is a cache method, expected one of: {', '.join(methods.names('sampler'))}"
        )
    return built(sampler, rest)


def built(name: str, words: dict[str, str]) -> Any:
    """The method of these parameters. Raises InputError, whatever a plugin's own constructor raises."""
    try:
        return methods.build(name, **typed(name, words))
    except InputError:
        raise
    except THEIRS as error:
        raise InputError(f"{name}: its constructor: {type(error).__name__}: {first_line(error)}") from error


def key_values(verb: str, form: str, words: list[str]) -> dict[str, str]:
    """Words key=value as a table. Raises InputError for others, of which `form` was expected, and for a key twice."""
    params: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{verb}: expected {form}, got '{word}'")
        if key in params:
            raise InputError(f"{verb}: {key} is given twice, as '{params[key]}' and '{value}'")
        params[key] = value
    return params


def typed(name: str, params: dict[str, str]) -> dict[str, Any]:
    """Words as the values that the method declares; what does not fit stays a word and is refused by the method."""
    declared = methods.find(name).parameters
    return {key: word_value(word, declared[key].type if key in declared else str) for key, word in params.items()}


def word_value(word: str, wanted: type) -> Any:
    """A word as Python's literal, where it is one that can be printed; else the word."""
    if wanted is str or len(word) > MAX_WORD:
        return word
    try:
        value = ast.literal_eval(word.capitalize() if word in ("true", "false") else word)
        repr(value)  # what messages and titles say; Python prints no integer of thousands of digits
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # the last two: nested too deep
        return word
    return value
