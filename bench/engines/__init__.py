"""Libraries that run our denoisers by their own code, with their own caching, one file each.

`Engine` and `EngineCache` are loaded when they are asked for: who reads stored results needs the name `OURS` alone.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from models.registered import Registered

if TYPE_CHECKING:
    from bench.engines.engine import Engine, EngineCache

__all__ = ["OURS", "Engine", "EngineCache", "find", "forget", "names", "register"]

OURS = "ours"  # no library: bench/sampling


def __getattr__(name: str) -> Any:
    if name not in ("Engine", "EngineCache"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.engine"), name)


def _base() -> type[Engine]:
    from bench.engines.engine import Engine

    return Engine


REGISTERED = Registered(__name__, "engine", _base, check=lambda cls: cls.expect_complete(), reserved=(OURS,))


def find(name: str) -> type[Engine]:
    """The class of a library's engine. Raises InputError with the nearest name."""
    return REGISTERED.find(name)


def names() -> list[str]:
    """What a suite may name: ours first."""
    return [OURS, *REGISTERED.names()]


def register(module: ModuleType) -> list[str]:
    """Register the engines that a plugin module defines; returns their names.

    Raises InputError for a taken name, and for an engine that lacks or misdeclares something.
    """
    return REGISTERED.register(module)


def forget(name: str) -> bool:
    """Take a plugin's out; whether there was one of that name."""
    return REGISTERED.forget(name)
