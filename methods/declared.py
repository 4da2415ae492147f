"""What a method's class declares, checked when a plugin brings it, so that no command meets its faults later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from methods.method import Method, Parameter
from models.errors import InputError

SETTINGS = ("tiny", "exact", "sweep")  # tables of parameters, where a class states them
TAKEN = ("name", "title", "kind", "parameters", "params", "sampler", "plan", "sample", "evaluations", *SETTINGS)


def check(method: type[Method]) -> None:
    """Raise InputError unless it is whole, and parameters, title and settings are what every command takes them for."""
    if lacking := sorted(getattr(method, "__abstractmethods__", ())):
        raise InputError(f"method '{method.name}' does not define {', '.join(lacking)}")
    parameters: Any = method.parameters
    if not isinstance(parameters, Mapping):
        raise InputError(
            f"method '{method.name}': 'parameters' must be a dict of names and Parameter, got {parameters!r}"
        )
    for key, declared in parameters.items():
        check_parameter(f"method '{method.name}': 'parameters'", key, declared)
    if not isinstance(method.title, str):
        raise InputError(f"method '{method.name}': 'title' must be a string, got {method.title!r}")
    for name in SETTINGS:
        stated = getattr(method, name, None)
        if not isinstance(stated, Mapping | None):
            raise InputError(f"method '{method.name}': '{name}' must be a dict of parameters, got {stated!r}")


def check_parameter(where: str, key: object, declared: object) -> None:
    """Raise InputError unless a parameter has a name that an attribute may have, a type, numbers for ends and names."""
    if not isinstance(key, str) or not key.isidentifier() or key in TAKEN:
        raise InputError(f"{where} must have names that are free and can be attributes, got {key!r}")
    if not isinstance(declared, Parameter):
        raise InputError(f"{where} must hold a Parameter, got {declared!r} for '{key}'")
    ends = [isinstance(end, int | float) for end in (declared.low, declared.high)]
    if not isinstance(declared.type, type) or not all(ends) or not isinstance(declared.choices, tuple | list):
        raise InputError(f"{where} must have a type, numbers for low and high and a tuple of choices, got {declared!r}")
