"""Which code a number was measured by: hashes of what definitions do, wherever they stand.

A definition is a function, a class or a constant at the top level of a module. What it does is its syntax tree without
docstrings, comments, imports and annotations, in which each name of another definition stands for the hash of what that
one does (a Merkle tree). So moving or renaming a file or a definition, importing under another name, or writing a
comment changes no hash; changing what a measured function does, or anything that it calls, changes it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import methods
from bench import engines
from bench.engines import OURS
from bench.suite.cells import Cell
from models.errors import InputError

# What turns trajectories into numbers. Executing them faster is no new rule, so executors are not among these.
RULES = (
    "bench.suite.protocol", "bench.measure.samples.cell_quality", "bench.measure.timing.cell_timing",
    "bench.measure.samples.instruments", "bench.statistics.bootstrap", "bench.quality.metrics.frechet",
    "bench.statistics.jackknife", "bench.quality.distribution", "bench.quality.metrics.paired",
    "bench.quality.metrics.ssim", "bench.measure.timing.affinity", "bench.measure.timing.ceilings",
    "bench.measure.timing.contenders", "bench.measure.timing.machine_load", "bench.measure.timing.rounds",
    "bench.measure.timing.speed", "bench.statistics.medians", "bench.measure.timing.stopwatch",
    "bench.measure.timing.cell_rounds", "bench.measure.timing.session", "bench.measure.timing.machine_rates",
    "bench.measure.timing.lineup", "bench.measure.timing.largest", "bench.statistics.paired_times",
)  # fmt: skip
ROOMS = ("bench.measure", "bench.quality", "bench.statistics", "bench.suite.protocol")  # where such rules stand
ANNOTATIONS = {"kind", "annotation", "returns", "type_params", "ctx"}  # and what else changes nothing at run time
SHORT = 16  # hexadecimal digits kept
Definition = tuple[str, str]  # module, name


def code_of(cell: Cell) -> dict[str, str | None]:
    """`method` and `protocol`: hashes of the code of the cell's sampler and cache method, and of the measuring rules.

    `method` is null where a method's source is not known, as with a broken plugin.
    """
    parts = [cell.sampler] if cell.cache is None else [cell.sampler, cell.cache]
    try:
        method = classes_code([*(part.source for part in parts), *library_of(cell)])
    except (InputError, OSError, TypeError, SyntaxError):
        method = None
    return {"method": method, "protocol": protocol_code()}


def method_code(names: tuple[str, ...]) -> str:
    """Hash of registered methods' classes and of what they use in the methods package and in their own file."""
    return classes_code([methods.find(name) for name in names])


def library_of(cell: Cell) -> list[type[Any]]:
    """The class of a cell's engine; none for ours, whose executors change no number."""
    return [] if cell.engine == OURS else [engines.find(cell.engine)]


def classes_code(classes: Sequence[type[Any]]) -> str:
    within = ("methods", *(cls.__module__ for cls in classes))
    return digest([(cls.__module__, cls.__name__) for cls in classes], within)


@cache
def protocol_code() -> str:
    """Hash of the definitions of the modules in RULES and of what they use in the rooms where such rules stand."""
    return digest([(module, name) for module in RULES for name in definitions(module)], ROOMS)


def digest(roots: Iterable[Definition], within: tuple[str, ...]) -> str:
    """One hash of what all these definitions do, names followed in the packages or modules `within`."""
    hashes = Hashes(within)
    return sha256("".join(sorted(hashes.of(root) for root in roots)))


def sha256(text: str) -> str:
    """The first SHORT hexadecimal digits of SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


@cache
def tree(module: str) -> ast.Module:
    """The syntax tree of an importable module's file."""
    return ast.parse(Path(inspect.getfile(importlib.import_module(module))).read_text("utf-8"))


@cache
def definitions(module: str) -> dict[str, ast.stmt]:
    """Top-level functions, classes and constants of a module, by name; of one defined twice, the last."""
    return {name: node for node in tree(module).body for name in bound(node)}


def bound(node: ast.stmt) -> list[str]:
    """The names that a top-level statement defines; imports define nothing."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)]


@cache
def imported(module: str) -> dict[str, Definition]:
    """What each imported name of a module means: a definition, or (module, "") for a module."""
    meanings: dict[str, Definition] = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                meanings[alias.asname or alias.name] = origin(node.module, alias.name)
    return meanings


def origin(module: str, name: str) -> Definition:
    """(module, name), or (module.name, "") where that is a module of ours; re-exports are followed to their source."""
    if module.partition(".")[0] not in ("bench", "methods", "models"):
        return module, name
    if name in definitions(module):
        return module, name
    if hasattr(importlib.import_module(module), "__path__") and importlib.util.find_spec(f"{module}.{name}"):
        return f"{module}.{name}", ""
    return imported(module).get(name) or (module, name)


def meaning_of(node: ast.AST, module: str) -> Definition | None:
    """The definition that a name, or an attribute of an imported module, refers to."""
    if isinstance(node, ast.Name):
        return (module, node.id) if node.id in definitions(module) else imported(module).get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner = imported(module).get(node.value.id)
        return origin(owner[0], node.attr) if owner and not owner[1] else None
    return None


class Hashes:
    """Of definitions, by what they do; each is worked out once."""

    def __init__(self, within: tuple[str, ...]) -> None:
        self.within = within
        self.known: dict[Definition, str] = {}

    def of(self, definition: Definition) -> str:
        """The hash of a definition; a call of itself, however indirect, is just that."""
        if definition not in self.known:
            self.known[definition] = "itself"
            module, name = definition
            self.known[definition] = sha256(self.meaning(definitions(module)[name], module, top=True))
        return self.known[definition]

    def follows(self, definition: Definition) -> bool:
        """Whether a definition is looked into; of others only the name counts."""
        module, name = definition
        inside = any(module == room or module.startswith(room + ".") for room in self.within)
        return inside and name in definitions(module)

    def meaning(self, node: Any, module: str, top: bool = False) -> str:
        """A syntax tree as text: the same for every Python, place, name, comment, docstring, import and annotation."""
        if isinstance(node, list):
            return f"[{','.join(self.meaning(item, module) for item in node if not says_nothing(item))}]"
        if not isinstance(node, ast.AST):
            return "" if node is None else repr(node)
        if isinstance(node, ast.Raise):  # what a refusal says changes no number
            return "Raise()"
        meant = meaning_of(node, module)
        if meant and meant[1] and not top:
            return "@" + (self.of(meant) if self.follows(meant) else meant[1])
        left_out = {*ANNOTATIONS, "name", "target", "targets"} if top else ANNOTATIONS
        fields = {name: self.meaning(value, module) for name, value in ast.iter_fields(node) if name not in left_out}
        inside = ",".join(f"{name}={text}" for name, text in sorted(fields.items()) if text not in ("", "[]"))
        return f"{type(node).__name__}({inside})"


def says_nothing(node: Any) -> bool:
    """A docstring, or any string that stands as a statement, and imports, which only say where a name is found."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, (ast.Import, ast.ImportFrom))
