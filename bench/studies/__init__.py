"""Studies: questions about caching that are answered by measurement. Each file here is one; adding it edits no list.

A file is a study by what it says: NAME, QUESTION (one line), FULL and QUICK (settings: a frozen dataclass),
`run(subject, settings, step)` (what was measured, ready for JSON), and what is made of that: `answer(data)` (one
sentence), `tables(data)`, `plot(data)` (a matplotlib figure). What several of them need is in bench/studies/lab.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

from models.errors import InputError, expect_one_of


class Unanswerable(InputError):
    """A study needs something of a model that there is not, such as a shipped router."""


@cache
def known() -> dict[str, tuple[str, str]]:
    """Name -> (module, question) of every study, read without running its file: that would load torch, for seconds."""
    studies: dict[str, tuple[str, str]] = {}
    for info in pkgutil.iter_modules(__path__):
        if info.ispkg:
            continue
        said = constants(Path(__path__[0], f"{info.name}.py"))
        if said["NAME"] in studies:
            raise InputError(f"two files of bench/studies both define the study '{said['NAME']}'")
        studies[said["NAME"]] = f"{__name__}.{info.name}", said["QUESTION"]
    return studies


def constants(file: Path) -> dict[str, Any]:
    """NAME and QUESTION as a file assigns them. Raises InputError for a file without them."""
    said = {
        ast.unparse(line.targets[0]): ast.literal_eval(line.value)
        for line in ast.parse(file.read_text("utf-8")).body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) in ("NAME", "QUESTION")
    }
    if said.keys() != {"NAME", "QUESTION"}:
        raise InputError(f"{file}: a study states its NAME and its QUESTION")
    return said


def names() -> list[str]:
    return sorted(known())


def question(name: str) -> str:
    return known()[name][1]


def load(name: str) -> Any:
    """The module of a study. Raises InputError with the nearest name for an unknown one."""
    expect_one_of("study", name, known())
    return importlib.import_module(known()[name][0])
