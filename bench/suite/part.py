"""A sampler or a cache method as a suite names it: its class, its parameters, the files that its numbers come from."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import methods
from bench import engines
from bench.engines import OURS
from bench.schema.cell import MAX_EXACT_INTEGER
from models.errors import InputError
from models.plugin_sources import sources_of

SHIPPED = ("methods.", "bench.engines.")  # where methods of ours stand


@dataclass(frozen=True)
class Part:
    """A sampler or a cache method by name, with the parameters that the suite states; of an engine's, its own."""

    name: str
    given: dict[str, Any] = field(default_factory=dict, hash=False)
    engine: str = OURS

    @property
    def source(self) -> type[Any]:
        """The method's class. Raises InputError for unknown names."""
        return methods.find(self.name) if self.engine == OURS else engines.find(self.engine).cache(self.name)

    @cached_property
    def method(self) -> Any:
        """The method itself. Raises InputError for unknown names, keys and values."""
        return self.source(**self.given)

    @property
    def title(self) -> str:
        """As papers write it; the bare name where a plugin is broken."""
        try:
            return self.source.title or self.name
        except InputError:
            return self.name

    @property
    def params(self) -> dict[str, Any]:
        """Every parameter, defaults filled in; only the stated ones where a plugin is broken."""
        try:
            return {key: _plain(value) for key, value in self.method.params.items()}
        except Exception:  # a broken plugin: the cell fails with its reason when it runs
            return {key: _plain(value) for key, value in self.given.items()}

    @property
    def from_plugin(self) -> bool:
        """Whether its code is somebody else's."""
        return not self.source.__module__.startswith(SHIPPED)

    def settings(self) -> dict[str, Any]:
        return {"name": self.name, "params": self.params}

    def __reduce__(self) -> tuple[type[Part], tuple[str, dict[str, Any], str]]:
        # built anew in the child process: a plugin's class has no importable name
        return Part, (self.name, self.given, self.engine)


def stated_of(part: Part) -> dict[str, Any]:
    """The stated parameters that differ from their defaults, in the method's own order."""
    try:
        declared = part.source.parameters
    except InputError:
        return part.given
    return {k: part.given[k] for k in declared if k in part.given and part.given[k] != declared[k].default}


def sources(part: Part) -> list[Path]:
    """The files that a method's numbers come from: named in a parameter, or a plugin's own source."""
    paths = [Path(v) for v in part.given.values() if isinstance(v, str) and "\0" not in v and Path(v).is_file()]
    with contextlib.suppress(InputError, OSError, TypeError):  # unknown until its plugin loads
        paths += plugin_sources(part.source)
    return paths


def plugin_sources(source: type[Any]) -> list[Path]:
    return [] if source.__module__.startswith(SHIPPED) else sources_of(Path(inspect.getfile(source)))


def _plain(value: Any) -> Any:
    """A parameter's value as JSON holds it: the value itself, or its text."""
    exact = not isinstance(value, int) or abs(value) <= MAX_EXACT_INTEGER
    return value if exact and isinstance(value, (str, int, float, bool, type(None))) else str(value)
