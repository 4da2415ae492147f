"""Suite files: TOML that says which cells. docs/suites.md describes every key."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import methods
import models
from bench import engines
from bench.engines import OURS
from bench.host.toml_file import MAX_BYTES, parse_toml
from bench.suite import SHIPPED, protocol, slurm
from bench.suite.cells import Cell
from bench.suite.class_shares import require_every_class
from bench.suite.judging import DEFAULT, Judging
from bench.suite.judging import read as read_judging
from bench.suite.part import Part
from models.errors import THEIRS, InputError, expect_name, expect_one_of, in_words
from models.text_file import read_bytes

TOP_KEYS = ("name", "title", "description", "protocol", "verdict", "slurm", "reference", "cells")
CELL_KEYS = ("models", "engine", "sampler", "cache")
MAX_CELLS = 10_000


@dataclass(frozen=True)
class Suite:
    """`references` is the uncached sampler that a model's other methods are compared with.

    `options` are of executors by name: what `--on NAME` is to take where the command line does not say.
    """

    name: str
    title: str
    description: str
    protocol: protocol.Protocol
    cells: tuple[Cell, ...]
    references: dict[str, Cell]
    sha256: str
    judging: Judging = DEFAULT
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"suite '{self.name}'"


def names() -> list[str]:
    """The shipped suites."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(
    name_or_path: str,
    broken: dict[str, str] | None = None,
    overrides: dict[str, dict[str, Any]] | None = None,
    trying: Callable[[str], object] = lambda what: None,
) -> Suite:
    """A shipped suite by name, or a suite file. Raises InputError that names the file, the key and the value.

    `overrides` are keys of tables within [protocol] that the command line replaces: {"timing": {"batch": 64}}.

    `broken` are plugins that did not load, with the reasons: a name that nobody else knows is taken for
    theirs, and its cells fail with that reason when they run. A method's own name may stand there too.
    `trying` is told which method is built next, by a plugin's code, which may do anything.
    """
    path = find(name_or_path)
    text = read_bytes(path, MAX_BYTES)
    content = parse_toml(text, path)
    for table, values in (overrides or {}).items():
        content["protocol"] = merged(content.get("protocol", {}), table, values)
    reader = Reader(path.name if path.parent == SHIPPED else str(path), broken or {}, trying)
    return reader.suite(content, hashlib.sha256(text).hexdigest())


def merged(outer: Any, table: str, values: dict[str, Any]) -> Any:
    """`outer` with `values` put into its inner table; what is no table is left for the reader to refuse."""
    inner = outer.get(table, {}) if isinstance(outer, dict) else None
    return {**outer, table: {**inner, **values}} if isinstance(inner, dict) else outer


def find(name_or_path: str) -> Path:
    """The file of a shipped suite's name, or the path itself."""
    if name_or_path in names():
        return SHIPPED / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if path.suffix == ".toml" or "/" in name_or_path:
        if not path.is_file():
            raise InputError(f"{name_or_path}: no such suite file")
        return path
    if (file := path.with_name(f"{path.name}.toml")).is_file():
        raise InputError(f"unknown suite '{name_or_path}'; did you mean the file '{file}'?")
    expect_one_of("suite", name_or_path, names())
    return path


class Reader:
    """Checks one suite file. Every error starts with the file's name and the table's place in it."""

    def __init__(self, file: str, reasons: Mapping[str, str], trying: Callable[[str], object]) -> None:
        self.file, self.reasons, self.trying = file, reasons, trying
        self.broken = "; ".join(reasons.values())

    def suite(self, content: dict[str, Any], sha256: str) -> Suite:
        """The whole suite of a file's tables. Raises InputError."""
        for key in content:
            expect_one_of(f"key in {self.file}", key, TOP_KEYS)
        name = self.text(content, "name")
        expect_name(f"{self.file}: 'name'", name)
        rules = protocol.read(self.table(content, "protocol"), f"{self.file}: [protocol]")
        cells = self.cells(content, rules)
        require_every_class(cells, f"{self.file}: [protocol]")
        return Suite(
            name=name,
            title=self.text(content, "title", name),
            description=self.text(content, "description", ""),
            protocol=rules,
            cells=cells,
            references=self.references(content, cells, rules),
            sha256=sha256,
            judging=read_judging(content.get("verdict", {}), f"{self.file}: [verdict]"),
            options={"slurm": slurm.read(content.get("slurm", {}), f"{self.file}: [slurm]")},
        )

    def text(self, table: dict[str, Any], key: str, default: str | None = None) -> str:
        """A string. Raises InputError where it is another thing."""
        value = table.get(key, default)
        if not isinstance(value, str):
            raise InputError(f"{self.file}: '{key}' must be a string" + (f", got {value!r}" if key in table else ""))
        return value

    def table(self, content: dict[str, Any], key: str) -> dict[str, Any]:
        """A table, empty where there is none. Raises InputError where it is another thing."""
        value = content.get(key, {})
        if not isinstance(value, dict):
            raise InputError(f"{self.file}: '{key}' must be a table, got {value!r}")
        return value

    def cells(self, content: dict[str, Any], rules: protocol.Protocol) -> tuple[Cell, ...]:
        """Every block's cross product, without repetitions; what others are compared with comes first."""
        blocks = content.get("cells")
        if not isinstance(blocks, list) or not blocks:
            raise InputError(f"{self.file}: expected at least one [[cells]] table")
        named: dict[tuple[str, str], Cell] = {}
        for number, block in enumerate(blocks, start=1):
            for cell in self.block(f"{self.file}: [[cells]] {number}", block, rules):
                named.setdefault((cell.model, cell.slug), cell)
                if len(named) > MAX_CELLS:
                    raise InputError(f"{self.file}: more than {MAX_CELLS} cells")
        return tuple(sorted(named.values(), key=lambda cell: (cell.has_baseline, cell.cache is not None)))

    def block(self, where: str, block: Any, rules: protocol.Protocol) -> list[Cell]:
        """The cells of one [[cells]] table: every model, engine, sampler and cache method. Raises InputError."""
        if not isinstance(block, dict):
            raise InputError(f"{where}: expected a table, got {block!r}")
        for key in block:
            expect_one_of(f"key in {where}", key, CELL_KEYS)
        samplers = self.parts(where, "sampler", block.get("sampler"))
        cells = []
        for engine in self.listed(where, "engine", "an engine's", block.get("engine", OURS)):
            unknown = self.unknown_engine(where, engine)
            caches = self.parts(where, "cache", block["cache"], engine) if "cache" in block else [(None, None)]
            for model, (sampler, fault), (cache, cache_fault) in itertools.product(
                self.listed(where, "models", "a model's", block.get("models")), samplers, caches
            ):
                broken = unknown or fault or cache_fault or self.unknown_model(where, model)
                cells.append(Cell(model, sampler, cache, rules, broken, engine))
        return cells

    def listed(self, where: str, key: str, whose: str, value: Any) -> list[str]:
        """One name or several. Raises InputError where they are not strings."""
        chosen = [value] if isinstance(value, str) else value
        if not isinstance(chosen, list) or not chosen or not all(isinstance(name, str) for name in chosen):
            raise InputError(f"{where}: '{key}' must be {whose} name or a list of names")
        return chosen

    def unknown_engine(self, where: str, engine: str) -> str | None:
        """The reason why the engine's cells will fail, None for a known one. Raises InputError for a wrong name."""
        expect_name(f"{where}: an engine's name", engine)
        if engine == OURS:
            return None
        if self.broken and engine not in engines.names():
            return self.broken
        try:
            expect_one_of("engine", engine, engines.names(), plugins=True)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        return None

    def unknown_model(self, where: str, model: str) -> str | None:
        """The reason why the model's cells will fail, None for a known one. Raises InputError for a wrong name."""
        expect_name(f"{where}: a model's name", model)
        if self.broken and model not in models.names():
            return self.broken
        try:
            models.spec(model)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        return None

    def parts(self, where: str, kind: str, value: Any, engine: str = OURS) -> list[tuple[Any, str | None]]:
        """The methods of one table or a list of tables, lists of values swept, each with what is broken in it."""
        tables = value if isinstance(value, list) else [value]
        expanded = []
        for table in tables:
            if not isinstance(table, dict) or not isinstance(table.get("name"), str):
                raise InputError(f"{where}: '{kind}' must be a table like {{ name = \"…\" }} or a list of them")
            params = {key: value for key, value in table.items() if key != "name"}
            if (
                math.prod(len(set(map(repr, value))) for value in params.values() if isinstance(value, list))
                > MAX_CELLS
            ):
                raise InputError(f"{where}: '{kind}' lists more than {MAX_CELLS} combinations")
            expanded += [self.part(where, kind, Part(table["name"], given, engine)) for given in sweep(params)]
        if not expanded:
            raise InputError(f"{where}: '{kind}' is an empty list")
        return expanded

    def part(self, where: str, kind: str, part: Part) -> tuple[Part, str | None]:
        """A sampler or cache method, and the reason where its plugin is broken. Raises InputError."""
        ours = part.engine == OURS
        known = part.name in methods.names() if ours else part.engine in engines.names()
        if self.broken and not known:
            return part, self.reasons.get(part.name if ours else part.engine, self.broken)
        self.trying(f"method {part.name}" if ours else f"engine {part.engine}")
        try:
            if ours:
                what = f"{kind} method" if kind == "cache" else kind
                expect_one_of(what, part.name, methods.names(kind), plugins=True)
            _ = part.method
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except THEIRS as error:  # a plugin's own constructor
            return part, f"{part.name}: {in_words(error)}"
        return part, None

    def references(self, content: dict[str, Any], cells: tuple[Cell, ...], rules: protocol.Protocol) -> dict[str, Cell]:
        """The cell of every model that is the reference; none where the file states none."""
        if "reference" not in content:
            return {}
        where = f"{self.file}: 'reference'"
        parts = self.parts(where, "sampler", content["reference"])
        if len(parts) != 1:
            raise InputError(f"{where} must be one sampler with one setting")
        chosen = {}
        for model in dict.fromkeys(cell.model for cell in cells):
            cell = Cell(model, parts[0][0], None, rules, parts[0][1])
            if cell.slug not in {c.slug for c in cells if c.model == model}:
                raise InputError(f"{where}: {cell.slug} is not a cell of {model}; add it to [[cells]]")
            chosen[model] = cell
        return chosen


def sweep(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Every combination of the listed values: {a: [1, 2], b: 3} -> {a: 1, b: 3}, {a: 2, b: 3}."""
    choices = [value if isinstance(value, list) else [value] for value in params.values()]
    return [dict(zip(params, values, strict=True)) for values in itertools.product(*choices)]
