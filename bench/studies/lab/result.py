"""A study carried out: what it found, in one JSON object, and what people read of it."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import models
from bench import studies
from bench.host.environment import environment
from bench.host.files import write_bytes
from bench.schema.checksum import checksum
from bench.store.code_hash import protocol_code
from bench.store.studies import VERSION, StoredTable
from bench.studies.lab.identity import code, read_files
from bench.studies.lab.steps import Steps, compact
from bench.studies.lab.subject import Subject
from models.errors import InputError
from models.json_object import read_object
from models.official import ways_out

MADE_WITH = ("torch", "numpy", "cpu_model", "os", "ditbench")  # of the environment: what numbers may depend on
Table = StoredTable


@dataclass(frozen=True)
class Order:
    """A study that was asked for: of which model, with which weights, quickly or in full."""

    study: str
    model: str
    weights: str | None = None
    quick: bool = False

    @property
    def settings(self) -> Any:
        module = studies.load(self.study)
        return module.QUICK if self.quick else module.FULL

    @property
    def command(self) -> str:
        """What makes the same result again."""
        stated = ["--weights", self.weights] if self.weights else []
        return shlex.join(
            ["ditbench", "study", self.study, "--model", self.model, *stated, *(["--quick"] if self.quick else [])]
        )

    @cached_property
    def files(self) -> dict[str, dict[str, str]]:
        """Hashes of what is read: bench/studies/lab/identity.py. Raises InputError for weights that cannot be had."""
        return read_files(self.study, self.settings, self.model, self.weights)

    @cached_property
    def identity(self) -> str:
        """Of what is measured: settings, model, files and the code that `run` uses; not of what is said of it."""
        said = [asdict(self), asdict(self.settings), self.files, protocol_code(), code(self.study)[0]]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def conduct(order: Order, out: Path) -> dict[str, Any]:
    """Write OUT/STUDY/MODEL.json and return what is in it. The same order gives the same result.

    What is there already, measured by the same code and settings, is not measured again: only what is said of it is
    made anew. Raises InputError for an unknown study or model, and where the study cannot be of that model.
    """
    path = out / order.study / f"{order.model}.json"
    result = measured(path, order) or measure(path, order)
    module = studies.load(order.study)
    result |= said(module, result["data"])
    write_bytes(path, compact(result))
    return result


def said(module: Any, data: dict[str, Any]) -> dict[str, Any]:
    """What is said of what a study measured, ready for JSON: all that a reader needs who has not its code."""
    shown = [asdict(table) for table in module.tables(data)]
    words = {"question": module.QUESTION, "how": module.HOW, "answer": module.answer(data)}
    return words | {"tables": json.loads(compact(shown))}


def measured(path: Path, order: Order) -> dict[str, Any] | None:
    """The result that the same order left behind; None where there is none, or another one's, or it was damaged."""
    try:
        kept = read_result(path)
    except InputError:
        return None
    whole = kept.get("checksum") == sum_of(kept["data"])
    return kept if whole and kept.get("identity") == order.identity else None


def sum_of(data: dict[str, Any]) -> str:
    """Of what was measured, as it stands in a file: an edited number is found by it. What is said is made anew."""
    return checksum({"data": data})


def measure(path: Path, order: Order) -> dict[str, Any]:
    """Run a study; its result, with nothing said of it yet."""
    module, subject = studies.load(order.study), subject_of(order)
    steps = Steps(path.with_name(f".{order.model}"), order.identity)
    data = module.run(subject, order.settings, steps)
    result: dict[str, Any] = {
        "version": VERSION,
        "study": order.study,
        "question": "",
        "how": "",
        "model": order.model,
        "answer": "",
        "tables": [],
        "command": order.command,
        "identity": order.identity,
        "settings": asdict(order.settings),
        "made_with": {key: value for key, value in environment().items() if key in MADE_WITH} | {"files": order.files},
        "data": data,
    }
    result = json.loads(compact(result))  # as it will be read again
    steps.forget()
    return result | {"checksum": sum_of(result["data"])}


def subject_of(order: Order) -> Subject:
    """Raises Unanswerable for a model without weights of its own where none are given."""
    spec = models.spec(order.model)
    if order.weights is None and spec.weights is None:
        raise studies.Unanswerable(f"{spec.name} ships no weights: {ways_out(spec)}")
    return Subject.named(order.model, order.weights)


def read_result(path: Path) -> dict[str, Any]:
    """A stored result. Raises InputError with one line where it is something else."""
    result = read_object(path, "a study's result")
    if not isinstance(result.get("data"), dict) or result.get("version") != VERSION:
        raise InputError(f"{path}: expected a study's result of version {VERSION}")
    return result


def tables(result: dict[str, Any]) -> Sequence[Table]:
    return studies.load(result["study"]).tables(result["data"])


def plot(result: dict[str, Any]) -> Any:
    """The matplotlib figure of a result."""
    return studies.load(result["study"]).plot(result["data"])
