"""A study carried out: what it found, in one JSON object, and what people read of it."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import studies
from bench.host.environment import environment
from bench.host.files import write_bytes
from bench.store.code_hash import protocol_code
from bench.studies.lab.steps import Steps, compact
from bench.studies.lab.subject import Subject
from models.errors import InputError
from models.json_object import read_object

MADE_WITH = ("torch", "numpy", "cpu_model", "os", "ditbench")  # of the environment: what numbers may depend on
VERSION = 1


@dataclass(frozen=True)
class Table:
    """Cells are texts; the first column names the row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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

    @property
    def identity(self) -> str:
        """Of a step that was kept: settings, model and the code that makes samples and studies."""
        code = [path.read_bytes() for path in sorted(Path(studies.__path__[0]).rglob("*.py"))]
        said = json.dumps([asdict(self), asdict(self.settings), protocol_code()])
        return hashlib.sha256(b"\0".join([said.encode(), *code])).hexdigest()[:16]


def conduct(order: Order, out: Path) -> dict[str, Any]:
    """Run a study, write OUT/STUDY/MODEL.json and return what is in it. The same order gives the same result.

    Raises InputError for an unknown study or model, and where the study cannot be of that model.
    """
    module, folder = studies.load(order.study), out / order.study
    subject = Subject.named(order.model, order.weights)
    steps = Steps(folder / f".{order.model}", order.identity)
    data = json.loads(compact(module.run(subject, order.settings, steps)))
    result = {
        "version": VERSION,
        "study": order.study,
        "question": module.QUESTION,
        "model": order.model,
        "answer": module.answer(data),
        "command": order.command,
        "settings": asdict(order.settings),
        "made_with": {key: value for key, value in environment().items() if key in MADE_WITH},
        "data": data,
    }
    write_bytes(folder / f"{order.model}.json", compact(result))
    steps.forget()
    return result


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
