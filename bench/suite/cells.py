"""A cell: one model, one method, one protocol. The unit that is run, stored and resumed."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import methods
import models
from bench.schema.cell import MAX_EXACT_INTEGER, SCHEMA
from bench.suite import protocol
from models.errors import InputError
from models.fetch import recorded_sha256
from models.folders import belonging
from models.official import weights_file
from models.plugin_sources import sources_of

if TYPE_CHECKING:
    from bench.sampling.compiled import Execution


@dataclass(frozen=True)
class Part:
    """A sampler or a cache method by name, with the parameters that the suite states."""

    name: str
    given: dict[str, Any] = field(default_factory=dict, hash=False)

    @cached_property
    def method(self) -> Any:
        """The method itself. Raises InputError for unknown names, keys and values."""
        return methods.build(self.name, **self.given)

    @property
    def title(self) -> str:
        """As papers write it; the bare name where a plugin is broken."""
        try:
            return methods.find(self.name).title or self.name
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
        return not methods.find(self.name).__module__.startswith("methods.")

    def settings(self) -> dict[str, Any]:
        """As results store it: name and all parameters."""
        return {"name": self.name, "params": self.params}

    def __reduce__(self) -> tuple[type[Part], tuple[str, dict[str, Any]]]:
        return Part, (self.name, self.given)  # built anew in the child process: a plugin's class has no importable name


def _default_execution() -> Execution:
    from bench.sampling.compiled import Execution  # loads torch, which reading a suite does not need

    return Execution()


@dataclass(frozen=True)
class Settings:
    """What the command line chooses for a whole run."""

    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    execution: Execution = field(default_factory=_default_execution)
    weights: str | None = None  # what models.build takes: "official", "random", a path; None: the shipped ones

    def recorded(self) -> dict[str, Any]:
        """As results store them."""
        return asdict(self)


@dataclass(frozen=True)
class Cell:
    """`broken` is the reason why the cell cannot be built, known before it runs: a broken plugin's."""

    model: str
    sampler: Part
    cache: Part | None
    protocol: protocol.Protocol
    broken: str | None = None

    @property
    def baseline(self) -> Cell:
        """The same sampler, uncached."""
        return Cell(self.model, self.sampler, None, self.protocol)

    @cached_property
    def slug(self) -> str:
        """File name of the cell, unique within its model: `ddim-50`, `ddim-50+fora-interval-3`."""
        return _sampler_slug(self.sampler) + ("" if self.cache is None else "+" + _cache_slug(self.cache))

    @cached_property
    def title(self) -> str:
        """The method's name for people: `DDIM-50 + FORA (interval=3)`."""
        steps = self.sampler.params.get("steps")
        title = self.sampler.title + ("" if steps is None else f"-{steps}")
        title += _bracket({k: v for k, v in _stated(self.sampler).items() if k != "steps"})
        if self.cache is None:
            return title
        return f"{title} + {self.cache.title}{_bracket(_stated(self.cache))}"

    @property
    def family(self) -> str:
        """What a cell is grouped by: its cache method's title, else its sampler's with all that is stated but steps."""
        if self.cache is not None:
            return self.cache.title
        return self.sampler.title + _bracket({k: v for k, v in _stated(self.sampler).items() if k != "steps"})

    @property
    def setting(self) -> str:
        """What tells it from others of its family: the cache method's stated parameters, else the sampler's steps."""
        if self.cache is not None:
            return _listed(_stated(self.cache)) or self.cache.title
        return str(self.sampler.params.get("steps") or self.title)

    def identity(self, settings: Settings) -> dict[str, Any]:
        """Everything that the cell's numbers depend on, as far as it is known before running."""
        parts = [self.sampler] if self.cache is None else [self.sampler, self.cache]
        return {
            "schema": SCHEMA,
            "rules": protocol.VERSION,
            "model": self.model,
            "sampler": self.sampler.settings(),
            "cache": None if self.cache is None else self.cache.settings(),
            "protocol": {k: v for k, v in self.protocol.as_dict().items() if k != "timeout"},
            **settings.recorded(),
            "weights": "random" if settings.weights == "random" else None,  # others are among the files
            "files": _digests(self._files(parts, settings)),
            "judged_by": _digests([self.protocol.quality.weights, self.protocol.quality.reference]),
        }

    def _files(self, parts: list[Part], settings: Settings) -> list[Path | None]:
        """Weights, plugins and routers: the same names with other contents are another cell."""
        paths: list[Path | None] = [path for part in parts for path in _sources(part)]
        if self.broken is None:
            spec = models.spec(self.model)
            weights = weights_file(spec, settings.weights)
            plugin = models.plugin_file(self.model)
            paths += [] if plugin is None else sources_of(plugin)
            paths += [] if weights is None else belonging(weights)
            if self.cache is not None and hasattr(self.cache.method, "files"):
                paths += self.cache.method.files(self.model, self.sampler.method)
        return paths

    def key(self, settings: Settings) -> str:
        """SHA-256 of the identity: a stored result with another key is not this cell's."""
        return _sha256(self.identity(settings))

    def samples_key(self, settings: Settings) -> str:
        """SHA-256 of what each sample depends on; not how many there are, and not how they are timed or judged."""
        identity = self.identity(settings)
        rules = {key: identity["protocol"][key] for key in ("seed", "sampling_batch")}
        device = settings.device.partition(":")[0]
        version = protocol.SAMPLES_VERSION
        return _sha256({**identity, "rules": version, "protocol": rules, "device": device, "judged_by": None})

    def summary(self) -> dict[str, Any]:
        """The columns that every result has, whatever became of the cell."""
        return {
            "model": self.model,
            "slug": self.slug,
            "method": self.title,
            "family": self.family,
            "setting": self.setting,
            "sampler": {"steps": self.sampler.params.get("steps"), **self.sampler.settings()},
            "cache": None if self.cache is None else self.cache.settings(),
        }


def _digests(paths: Iterable[str | Path | None]) -> list[str]:
    """SHA-256 of those files that are there, whatever their names and order."""
    files = [Path(path) for path in paths if path is not None and Path(path).is_file()]
    return sorted({_digest(path, path.stat().st_mtime_ns) for path in files})


def _sha256(identity: dict[str, Any]) -> str:
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A parameter's value as JSON holds it: the value itself, or its text."""
    exact = not isinstance(value, int) or abs(value) <= MAX_EXACT_INTEGER
    return value if exact and isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _stated(part: Part) -> dict[str, Any]:
    """The stated parameters that differ from their defaults, in the method's own order."""
    try:
        declared = methods.find(part.name).parameters
    except models.InputError:
        return part.given
    return {k: part.given[k] for k in declared if k in part.given and part.given[k] != declared[k].default}


def _sampler_slug(part: Part) -> str:
    steps = part.params.get("steps")
    rest = {k: v for k, v in _stated(part).items() if k != "steps"}
    return _safe(part.name) + ("" if steps is None else f"-{_safe(steps)}") + _pairs(rest)


def _cache_slug(part: Part) -> str:
    return _safe(part.name) + _pairs(_stated(part))


def _pairs(params: dict[str, Any]) -> str:
    return "".join(f"-{_safe(key)}-{_safe(value)}" for key, value in params.items())


def _bracket(params: dict[str, Any]) -> str:
    return f" ({_listed(params)})" if params else ""


def _listed(params: dict[str, Any]) -> str:
    return ", ".join(f"{key}={_text(value)}" for key, value in params.items())


def _text(value: Any) -> str:
    """Floats in their short form where that loses nothing: values that differ must not share a file name."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def _safe(value: Any) -> str:
    """A value as part of a file name; where that loses something, a hash keeps names apart."""
    text = _text(value)
    clean = re.sub(r"[^A-Za-z0-9+._-]+", "-", text).strip("-.")[-40:]
    return clean if clean == text else f"{clean}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".strip("-")


def _sources(part: Part) -> list[Path]:
    """The files that a method's numbers come from: named in a parameter, or a plugin's own source."""
    paths = [Path(v) for v in part.given.values() if isinstance(v, str) and "\0" not in v and Path(v).is_file()]
    with contextlib.suppress(models.InputError, OSError, TypeError):  # unknown until its plugin loads
        source = methods.find(part.name)
        if not source.__module__.startswith("methods."):
            paths += sources_of(Path(inspect.getfile(source)))
    return paths


@cache
def _digest(path: Path, changed: int) -> str:
    return recorded_sha256(path)
