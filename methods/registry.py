"""Methods by name. Every Method subclass with a `name` in a file of this package, or in a plugin, is registered."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any

from methods.method import Method
from models.errors import InputError, expect_name, expect_one_of

KINDS = ("sampler", "cache")

_plugins: dict[str, type[Method]] = {}


def methods_in(module: ModuleType) -> dict[str, type[Method]]:
    """The concrete methods that a module itself defines, by name."""
    classes = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Method)]
    return {c.name: c for c in classes if c.name and c.kind in KINDS and c.__module__ == module.__name__}


@cache
def _shipped() -> dict[str, type[Method]]:
    package = importlib.import_module("methods")
    classes: dict[str, type[Method]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        added = methods_in(importlib.import_module(f"methods.{info.name}"))
        for name in added.keys() & classes.keys():
            first = classes[name].__module__.removeprefix("methods.")
            raise InputError(f"methods/{first}.py and methods/{info.name}.py both define the method '{name}'")
        classes |= added
    return classes


def register(module: ModuleType) -> list[str]:
    """Register the methods that a plugin module defines; returns their names.

    Raises InputError for a name that is taken or cannot be a folder's.
    """
    added = methods_in(module)
    for name in added:
        expect_name("a method's name", name)
    for name in added.keys() & _shipped().keys():
        raise InputError(f"{module.__name__}: the method name '{name}' is taken")
    _plugins.update(added)
    return sorted(added)


def names(kind: str | None = None) -> list[str]:
    """Registered names, all or of one kind: "sampler" or "cache"."""
    return sorted(name for name, method in (_shipped() | _plugins).items() if kind in (None, method.kind))


def find(name: str) -> type[Method]:
    """The class of a named method. Raises InputError with the nearest name."""
    known = _shipped() | _plugins
    expect_one_of("method", name, known)
    return known[name]


def build(name: str, **params: Any) -> Any:
    """A sampler or cache method. Raises InputError for unknown names, keys and values."""
    return find(name)(**params)
