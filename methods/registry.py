"""Methods by name. Every Method subclass with a `name` in a file of this package, or in a plugin, is registered."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from methods.declared import check
from methods.method import Method
from models.registered import Registered

KINDS = ("sampler", "cache")
REGISTERED = Registered("methods", "method", lambda: Method, accepts=lambda cls: cls.kind in KINDS, check=check)


def methods_in(module: ModuleType) -> dict[str, type[Method]]:
    """The concrete methods that a module itself defines, by name."""
    return REGISTERED.defined_in(module)


def register(module: ModuleType) -> list[str]:
    """Register the methods that a plugin module defines; returns their names.

    Raises InputError for a name that is taken or cannot be a folder's.
    """
    return REGISTERED.register(module)


def names(kind: str | None = None) -> list[str]:
    """Registered names, all or of one kind: "sampler" or "cache"."""
    return sorted(name for name, method in REGISTERED.known.items() if kind in (None, method.kind))


def find(name: str) -> type[Method]:
    """The class of a named method. Raises InputError with the nearest name."""
    return REGISTERED.find(name)


def build(name: str, **params: Any) -> Any:
    """A sampler or cache method. Raises InputError for unknown names, keys and values."""
    return find(name)(**params)


def forget(name: str) -> bool:
    """Take a plugin's out; whether there was one of that name."""
    return REGISTERED.forget(name)
