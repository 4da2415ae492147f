"""Libraries that run our denoisers by their own code, with their own caching, one file each.

`Engine` and `EngineCache` are loaded when they are asked for: who reads stored results needs the name `OURS` alone.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from models.errors import InputError, expect_name, expect_one_of

if TYPE_CHECKING:
    from bench.engines.engine import Engine, EngineCache

__all__ = ["OURS", "Engine", "EngineCache", "find", "names", "register"]

OURS = "ours"  # no library: bench/sampling

_plugins: dict[str, type[Engine]] = {}


def __getattr__(name: str) -> Any:
    if name not in ("Engine", "EngineCache"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.engine"), name)


def find(name: str) -> type[Engine]:
    """The class of a library's engine. Raises InputError with the nearest name."""
    known = _shipped() | _plugins
    expect_one_of("engine", name, known)
    return known[name]


def names() -> list[str]:
    """What a suite may name: ours first."""
    return [OURS, *sorted(_shipped() | _plugins)]


def register(module: ModuleType) -> list[str]:
    """Register the engines that a plugin module defines; returns their names.

    Raises InputError for a taken name, and for an engine that lacks or misdeclares something.
    """
    added = _defined_in(module)
    for name, engine in added.items():
        expect_name("an engine's name", name)
        engine.expect_complete()
    for name in added.keys() & {OURS, *_shipped()}:
        raise InputError(f"{module.__name__}: the engine name '{name}' is taken")
    _plugins.update(added)
    return sorted(added)


@cache
def _shipped() -> dict[str, type[Engine]]:
    known: dict[str, type[Engine]] = {}
    for info in pkgutil.iter_modules(__path__):
        added = _defined_in(importlib.import_module(f"{__name__}.{info.name}"))
        for name in added.keys() & known.keys():
            raise InputError(f"bench/engines/{info.name}.py defines '{name}', as another file does")
        known |= added
    return known


def _defined_in(module: ModuleType) -> dict[str, type[Engine]]:
    from bench.engines.engine import Engine

    classes = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Engine)]
    return {c.name: c for c in classes if c.name and c.__module__ == module.__name__}
