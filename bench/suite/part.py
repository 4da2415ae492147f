"""One half of a method as a suite states it: a sampler, or a cache method, with its parameters."""

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
    given: dict[str, Any] = field(default_factory=dict)
    engine: str = OURS

    def __hash__(self) -> int:
        """Of the parameters, too: thousands of cells differ in them alone."""
        return hash((self.name, self.engine, *((key, _hash(self.given[key])) for key in sorted(self.given))))

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
            return {key: plain(value) for key, value in self.method.params.items()}
        except Exception:  # a broken plugin: the cell fails with its reason when it runs
            return {key: plain(value) for key, value in self.given.items()}

    @property
    def stated(self) -> dict[str, Any]:
        """The stated parameters that differ from their defaults, in the method's own order."""
        try:
            declared = self.source.parameters
        except InputError:
            return self.given
        return {k: self.given[k] for k in declared if k in self.given and self.given[k] != declared[k].default}

    @property
    def stated_besides_steps(self) -> dict[str, Any]:
        """`stated` without the number of steps, which has a place of its own in names and tables."""
        return {key: value for key, value in self.stated.items() if key != "steps"}

    @property
    def from_plugin(self) -> bool:
        """Whether its code is somebody else's."""
        return not self.source.__module__.startswith(SHIPPED)

    def sources(self) -> list[Path]:
        """The files that its numbers come from: named in a parameter, or a plugin's own source."""
        texts = [value for value in self.given.values() if isinstance(value, str) and "\0" not in value]
        paths = [Path(text) for text in texts if Path(text).is_file()]
        with contextlib.suppress(InputError, OSError, TypeError):  # unknown until its plugin loads
            paths += plugin_sources(self.source)
        return paths

    def settings(self) -> dict[str, Any]:
        """As results store it: name and all parameters."""
        return {"name": self.name, "params": self.params}

    def __reduce__(self) -> tuple[type[Part], tuple[str, dict[str, Any], str]]:
        # built anew in the child process: a plugin's class has no importable name
        return Part, (self.name, self.given, self.engine)


def plugin_sources(source: type[Any]) -> list[Path]:
    """The files of a class that is somebody else's; none of ours."""
    return [] if source.__module__.startswith(SHIPPED) else sources_of(Path(inspect.getfile(source)))


def plain(value: Any) -> Any:
    """A parameter's value as JSON holds it: the value itself, or its text."""
    exact = not isinstance(value, int) or abs(value) <= MAX_EXACT_INTEGER
    return value if exact and isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _hash(value: Any) -> int:
    """Of a parameter's value; equal for those that have none, such as lists."""
    try:
        return hash(value)
    except TypeError:
        return 0
