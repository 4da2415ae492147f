"""What a method does with parameters that it was not made for: one line of words, as every command shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.cli.method_case import Case, Failed, expect
from bench.sampling import make_plan
from methods.method import CacheMethod
from models.errors import THEIRS, InputError, in_words

STRANGE: tuple[Any, ...] = ("nonsense", 3.5, [None], {"nonsense": None})  # for a parameter that takes any object


def refuses_unknown_parameters(case: Case) -> None:
    try:
        case.method(nonsense=1)
    except InputError:
        return
    raise Failed("a parameter 'nonsense' is taken")


def defaults_are_allowed(case: Case) -> None:
    """A declared default is of the declared type and in its range."""
    for key, declared in case.method.parameters.items():
        if not declared.required:
            try:
                declared.check(case.method.name, key, declared.default)
            except InputError as error:
                raise Failed(f"a default is refused: {error}") from error


def refuses_wrong_values(case: Case) -> None:
    """Whatever a file or a command line may give for a list: taken, or refused in one line by an InputError."""
    for key, value in strange_values(case):
        try:
            built(case, {key: value})
        except InputError as error:
            expect("\n" not in str(error), f"{key} = {value!r} is refused in more than one line")
        except THEIRS as error:
            raise Failed(f"{key} = {value!r} raises {in_words(error)}, expected a models.errors.InputError") from error


def strange_values(case: Case) -> Iterator[tuple[str, Any]]:
    for key, declared in case.method.parameters.items():
        if declared.type is object:
            yield from ((key, value) for value in STRANGE)


def built(case: Case, changed: dict[str, Any]) -> None:
    """Build the method, in the setting of its tests but for what is changed, and its plan or its evaluations."""
    if issubclass(case.method, CacheMethod):
        tiny = case.method.tiny_params(case.model, case.sampler)
        make_plan(case.model, case.sampler, case.method(**tiny | changed))
    else:
        sampler: Any = case.method(**case.method.tiny | changed)
        sampler.evaluations(case.model.noise_schedule)
