"""Studies: questions about caching that are answered by measurement. Each file here is one; adding it edits no list.

A file is a study by what it says: NAME, QUESTION (one line), HOW (what is measured and compared, whatever the
settings), FULL and QUICK (settings: a frozen dataclass), `run(subject, settings, step)` (what was measured, ready for
JSON), and what is made of that: `answer(data)` (one sentence), `tables(data)`, `plot(data)` (a matplotlib figure).
MODELS are those that it is of where nobody names one, the small ones unless it says so. What several of them need is
in bench/studies/lab.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

from models.errors import InputError, expect_one_of

SMALL = ("dit-mnist", "uvit-mnist")
REQUIRED, OPTIONAL = {"NAME", "QUESTION", "HOW"}, {"MODELS"}


class Unanswerable(InputError):
    """A study needs something of a model that there is not, such as a shipped router."""


@cache
def known() -> dict[str, dict[str, Any]]:
    """Name -> what every study says, without running its file: that would load torch, for seconds."""
    studies: dict[str, dict[str, Any]] = {}
    for info in pkgutil.iter_modules(__path__):
        if info.ispkg:
            continue
        said = constants(Path(__path__[0], f"{info.name}.py"))
        if said["NAME"] in studies:
            raise InputError(f"two files of bench/studies both define the study '{said['NAME']}'")
        studies[said["NAME"]] = said | {"module": f"{__name__}.{info.name}"}
    return studies


def constants(file: Path) -> dict[str, Any]:
    """NAME, QUESTION, HOW and perhaps MODELS as a file assigns them. Raises InputError where one but MODELS lacks."""
    said = {
        ast.unparse(line.targets[0]): ast.literal_eval(line.value)
        for line in ast.parse(file.read_text("utf-8")).body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) in REQUIRED | OPTIONAL
    }
    if not said.keys() >= REQUIRED:
        raise InputError(f"{file}: a study states its NAME, its QUESTION and its HOW")
    return said


def names() -> list[str]:
    return sorted(known())


def question(name: str) -> str:
    return str(known()[name]["QUESTION"])


def usual_models(name: str) -> tuple[str, ...]:
    """The models that a study is of unless others are named."""
    return tuple(known()[name].get("MODELS", SMALL))


def load(name: str) -> Any:
    """The module of a study. Raises InputError with the nearest name for an unknown one."""
    expect_one_of("study", name, known())
    return importlib.import_module(known()[name]["module"])
