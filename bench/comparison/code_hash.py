"""Which code a number was measured by: hashes of what the source says, not of how it is laid out or commented."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import methods
from bench.cells import Cell
from models.errors import InputError

# What turns trajectories into numbers. Executing them faster is no new rule, so executors are not among these.
RULES = (
    "protocol", "measuring/cell_quality", "measuring/cell_timing", "measuring/instruments",
    "quality/bootstrap", "quality/frechet", "quality/jackknife", "quality/metrics", "quality/paired", "quality/ssim",
    "timing/affinity", "timing/ceilings", "timing/contenders", "timing/machine_load", "timing/rounds", "timing/speed",
    "timing/statistics", "timing/stopwatch",
)  # fmt: skip
SHORT = 16  # hexadecimal digits kept


def code_of(cell: Cell) -> dict[str, str | None]:
    """`method` and `protocol`: hashes of the code of the cell's sampler and cache method, and of the measuring rules.

    `method` is null where a method's source is not known, as with a broken plugin.
    """
    parts = [cell.sampler] if cell.cache is None else [cell.sampler, cell.cache]
    try:
        files = {file for part in parts for file in sources(methods.find(part.name))}
    except (InputError, OSError, TypeError, SyntaxError):
        return {"method": None, "protocol": protocol_code()}
    return {"method": digest(sorted(files)), "protocol": protocol_code()}


@cache
def protocol_code() -> str:
    """Hash of the modules in RULES."""
    return digest([Path(__file__).parents[1] / f"{name}.py" for name in RULES])


def sources(method: type) -> set[Path]:
    """The file that defines a method and, transitively, the modules of the methods package that it imports."""
    found: set[Path] = set()
    waiting = [Path(inspect.getfile(method))]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += [module_file(name) for name in imports(file) if name.startswith("methods.")]
    return found


def imports(file: Path) -> list[str]:
    """Names of the modules that a file imports, wherever in it."""
    names: list[str] = []
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


@cache
def module_file(name: str) -> Path:
    return Path(inspect.getfile(importlib.import_module(name)))


def digest(files: list[Path]) -> str:
    """One hash of several files' contents, by name and meaning."""
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.name}\0{meaning(parse(file))}\0".encode())
    return total.hexdigest()[:SHORT]


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def meaning(node: Any) -> str:
    """A syntax tree as text without positions, comments, docstrings and empty fields: the same for every Python."""
    if isinstance(node, ast.AST):
        fields = {name: meaning(value) for name, value in ast.iter_fields(node) if name != "kind"}
        return (
            f"{type(node).__name__}({','.join(f'{k}={v}' for k, v in sorted(fields.items()) if v not in ('', '[]'))})"
        )
    if isinstance(node, list):
        return f"[{','.join(meaning(item) for item in node if not is_docstring(item))}]"
    return "" if node is None else repr(node)


def is_docstring(node: Any) -> bool:
    """A string that stands as a statement does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
