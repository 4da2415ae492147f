"""What a study's numbers depend on, all known before anything is measured: its code, and the files that it reads.

Files are those that come with the models that it is of, and given weights: weights, what samples are judged by, routers
and calibrations; the latter two of a study whose code uses what says where they lie. The same names with other contents
are another study.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import methods
import models
from bench import studies
from bench.store.code_hash import Definition, Hashes, sha256
from methods.calibration import SHIPPED
from methods.routing.shipped import ROUTERS
from models.fetch import recorded_sha256
from models.folders import belonging
from models.json_object import read_object
from models.official import weights_file
from models.places import WEIGHTS
from models.plugin_sources import sources_of
from models.spec import ModelSpec

MEASURING = ("bench.studies", "bench.train", "methods")  # rooms of code that a study runs, beside the protocol's


@cache
def code(study: str) -> tuple[str, frozenset[Definition]]:
    """Hash of what `run` does and of the samplers, which are built by name; and the definitions that it comes by."""
    samplers = [methods.find(name) for name in methods.names("sampler")]
    roots = [(studies.load(study).__name__, "run")]
    roots += [(cls.__module__, cls.__name__) for cls in samplers if cls.__module__.startswith("methods.")]
    hashes = Hashes(MEASURING)
    return sha256("".join(sorted(map(hashes.of, roots)))), frozenset(hashes.known)


def weights(spec: ModelSpec, given: str | None) -> list[Path]:
    """The files of weights; none for random ones, and where a model ships none."""
    path = None if given is None and spec.weights is None else weights_file(spec, given)
    return [] if path is None else belonging(path)


def plugin(spec: ModelSpec, given: str | None) -> list[Path]:
    file = models.plugin_file(spec.name)
    return [] if file is None else sources_of(file)


def judges(spec: ModelSpec, given: str | None) -> list[Path]:
    """Autoencoder, feature extractor and features of real images, as far as they are shipped."""
    return [file for name in (spec.autoencoder, spec.features, spec.reference) if name
            for file in (WEIGHTS / name).glob("*.safetensors")]  # fmt: skip


def routers(spec: ModelSpec, given: str | None) -> Iterable[Path]:
    """L2C's, of every sampler and interval."""
    return (ROUTERS / spec.name).rglob("*.safetensors")


def calibrations(spec: ModelSpec, given: str | None) -> list[Path]:
    return [file for file in SHIPPED.rglob("*.json") if read_object(file).get("model") == spec.name]


# Kind of files -> who lists them, and the definition that a study uses which reads such; None: every study does.
KINDS: dict[str, tuple[Callable[[ModelSpec, str | None], Iterable[Path]], Definition | None]] = {
    "weights": (weights, None),
    "plugin": (plugin, None),
    "judges": (judges, None),
    "routers": (routers, ("methods.routing.shipped", "ROUTERS")),
    "calibrations": (calibrations, ("methods.calibration", "SHIPPED")),
}


def read_files(study: str, settings: Any, model: str, given: str | None) -> dict[str, dict[str, str]]:
    """Of every model that a study is of, or that its settings name, one hash a kind of files that it may read.

    `given` are weights of `model` that are not the shipped ones. Raises InputError as models.official.weights_file.
    """
    _, used = code(study)
    kinds = {kind: listed for kind, (listed, reader) in KINDS.items() if reader is None or reader in used}
    found: dict[str, dict[str, str]] = {}
    for name in sorted({model, *texts(settings)} & set(models.names())):
        spec, own = models.spec(name), given if name == model else None
        hashes = {kind: contents(listed(spec, own)) for kind, listed in kinds.items()}
        found[name] = {kind: one for kind, one in hashes.items() if one}
    return found


def texts(value: Any) -> Iterator[str]:
    """Every text in settings."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        yield from (text for one in fields(value) for text in texts(getattr(value, one.name)))
    elif isinstance(value, (tuple, list, dict)):
        parts = value.values() if isinstance(value, dict) else value
        yield from (text for one in parts for text in texts(one))


def contents(files: Iterable[Path]) -> str:
    """One hash of the contents of those files that are there, whatever their names and order; empty without any."""
    there = sorted(recorded_sha256(file) for file in files if file.is_file())
    return sha256("\n".join(there)) if there else ""
