"""A cell: one model, one method, one protocol. The unit that is run, stored and resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import models
from bench import engines
from bench.engines import OURS
from bench.schema.cell import SCHEMA
from bench.suite import protocol
from bench.suite.naming import cache_slug, in_brackets, listed, safe, sampler_slug, sampler_title
from bench.suite.part import Part, plugin_sources
from models.fetch import recorded_sha256
from models.folders import belonging
from models.official import weights_file
from models.plugin_sources import sources_of

if TYPE_CHECKING:
    from bench.sampling.compiled import Execution
    from models.denoiser import Denoiser

NOISE = "noise"  # what a denoiser puts out that states no other `output`


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
        """As results store them: which of a machine's GPUs it was is no setting, the environment says of what kind.

        torch's own kernels are not named, so that results from before they could be chosen stay these settings'.
        """
        stated = asdict(self) | {"device": self.device.partition(":")[0]}
        if self.execution.kernels == type(self.execution).kernels:
            del stated["execution"]["kernels"]
        return stated


@dataclass(frozen=True)
class Cell:
    """`broken` is the reason why the cell cannot be built, known before it runs: a broken plugin's.

    `engine` is whose code samples, ours or a library's; a library's cells have cache methods of the library.
    """

    model: str
    sampler: Part
    cache: Part | None
    protocol: protocol.Protocol
    broken: str | None = None
    engine: str = OURS

    @property
    def baseline(self) -> Cell:
        """The same sampler, uncached, by our own code."""
        return Cell(self.model, self.sampler, None, self.protocol)

    @property
    def has_baseline(self) -> bool:
        """Whether that is another cell."""
        return self.cache is not None or self.engine != OURS

    @property
    def own_baseline(self) -> Cell | None:
        """The same sampler, uncached, by the cell's library; None where that is the cell itself, or ours."""
        if self.cache is None or self.engine == OURS:
            return None
        return Cell(self.model, self.sampler, None, self.protocol, self.broken, self.engine)

    @property
    def planned(self) -> Any:
        """The cache method that makes the plan; None where there is none, or a library decides for itself."""
        return self.cache.method if self.cache is not None and self.engine == OURS else None

    def refused(self, model: Denoiser) -> str | None:
        """Why the sampler or the cell's library cannot run that model, in one line; else None."""
        taken, given = self.sampler.method.prediction or NOISE, getattr(model, "output", NOISE)
        if taken != given:
            return f"{self.sampler.name} takes the network's output for {taken}, {self.model} puts out {given}"
        return self.refused_by_library(model)

    def refused_by_library(self, model: Denoiser) -> str | None:
        """Why the cell's library cannot run it here, or not on that model, in one line; else None."""
        if self.engine == OURS:
            return None
        refused = engines.find(self.engine)().refuses(model)
        if refused or self.cache is None:
            return refused
        return self.cache.method.supports(model, self.sampler.method)

    @cached_property
    def slug(self) -> str:
        """File name of the cell, unique within its model: `ddim-50`, `ddim-50+fora-interval-3`, `ddim-50@diffusers`."""
        engine = "" if self.engine == OURS else f"@{safe(self.engine)}"
        return sampler_slug(self.sampler) + engine + ("" if self.cache is None else "+" + cache_slug(self.cache))

    @cached_property
    def title(self) -> str:
        """The method's name for people: `DDIM-50 + FORA (interval=3)`."""
        title = sampler_title(self.sampler)
        if self.cache is not None:
            title += f" + {self.cache.title}{in_brackets(self.cache.stated)}"
        return title + self._by

    @property
    def _by(self) -> str:
        return "" if self.engine == OURS else f" [{self.engine}]"

    @property
    def family(self) -> str:
        """What a cell is grouped by: its cache method's title, else its sampler's with all that is stated but steps."""
        if self.cache is not None:
            return self.cache.title + self._by
        return self.sampler.title + in_brackets(self.sampler.stated_besides_steps) + self._by

    @property
    def setting(self) -> str:
        """What tells it from others of its family: the cache method's stated parameters, else the sampler's steps."""
        if self.cache is not None:
            return listed(self.cache.stated) or self.cache.title
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
            "protocol": _rules(self.protocol),
            **_recorded(settings),
            "weights": "random" if settings.weights == "random" else None,  # others are among the files
            "files": _digests(self._files(parts, settings)),
            "judged_by": _digests([self.protocol.quality.weights, self.protocol.quality.reference]),
        } | self._library()

    def _library(self) -> dict[str, Any]:
        """What a library's cell depends on besides; nothing for ours, whose keys stay what they were."""
        if self.engine == OURS:
            return {}
        versions = {} if self.broken else engines.find(self.engine).versions()
        return {"engine": {"name": self.engine, "versions": versions}}

    def _files(self, parts: list[Part], settings: Settings) -> list[Path | None]:
        """Weights, plugins and routers: the same names with other contents are another cell."""
        paths: list[Path | None] = [path for part in parts for path in part.sources()]
        if self.broken is None:
            paths += [] if self.engine == OURS else plugin_sources(engines.find(self.engine))
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
        return _sha256({**identity, "rules": protocol.SAMPLES_VERSION, "protocol": rules, "judged_by": None})

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
        } | ({} if self.engine == OURS else {"engine": self.engine})


@cache
def _rules(rules: protocol.Protocol) -> dict[str, Any]:
    """What of a protocol makes a cell; read alone."""
    return {key: value for key, value in rules.as_dict().items() if key != "timeout"}


@cache
def _recorded(settings: Settings) -> dict[str, Any]:
    """As results store settings; read alone."""
    return settings.recorded()


def _digests(paths: Iterable[str | Path | None]) -> list[str]:
    """SHA-256 of those files that are there, whatever their names and order."""
    files = [Path(path) for path in paths if path is not None and Path(path).is_file()]
    return sorted({_digest(path, path.stat().st_mtime_ns) for path in files})


def _sha256(identity: dict[str, Any]) -> str:
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _digest(path: Path, changed: int) -> str:
    return recorded_sha256(path)
