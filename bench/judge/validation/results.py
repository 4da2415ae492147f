"""Results of strangers, before they are merged: everything wrong with them, one line each. Reads; never measures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.judge.validation.foreign_text import text_problems
from bench.judge.validation.numbers import number_problems
from bench.store.results import Results, one_line, read_whole
from bench.store.stored_cell import StoredCell

PROTOCOLS = ("1", "2", "3", "4")  # that results may have; only equal ones are compared
MAX_FILE = 8_000_000  # bytes of a cell's file
ENVIRONMENT = ("python", "torch", "numpy", "cpu", "cores", "os")
_KEY = re.compile(r"[0-9a-f]{64}\Z")
_SHOWN = 400  # characters of a line


@dataclass(frozen=True)
class Checked:
    """`problems`, one line each, naming the file; `unsealed`, how many files have no checksum, which is none."""

    problems: list[str]
    unsealed: int


def check(directories: Sequence[Path]) -> Checked:
    """Everything wrong with what these hold. Raises InputError where there are no results."""
    problems: list[str] = []
    unsealed = 0
    claims: dict[tuple[str, ...], str] = {}
    for directory in directories:
        results = read_whole(directory)
        unsealed += results.unsealed
        problems += [f"{directory}/{line}" for line in results.unreadable]
        for cell in results.cells:
            where = f"{directory}/cells/{cell.model}/{cell.slug}.json"
            problems += [f"{where}: {line}" for line in all_of(cell)]
            other = claims.setdefault(claim(cell), where)
            problems += [f"{where}: the same cell of the same machine as {other}"] if other != where else []
        problems += _file_problems(results)
    return Checked([one_line(line)[:_SHOWN] for line in problems], unsealed)


def claim(cell: StoredCell) -> tuple[str, ...]:
    """What only one file may be the result of: a cell's identity, measured on a machine."""
    machine = cell.environment
    return (cell.model, cell.key, *map(str, (machine.cpu, machine.gpu, machine.torch, cell.settings.threads)))


def all_of(cell: StoredCell) -> list[str]:
    """`cell_problems`, one of them being that the cell cannot be walked through."""
    try:
        return list(cell_problems(cell))
    except RecursionError:
        return ["nested too deep"]


def cell_problems(cell: StoredCell) -> Iterator[str]:
    """Everything wrong with a cell that fits the schema."""
    if cell.protocol not in PROTOCOLS:
        yield f"protocol is {cell.protocol[:60]!r}, expected one of: {', '.join(PROTOCOLS)}"
    if not _KEY.match(cell.key):
        yield f"key must be a SHA-256 (64 lower-case hexadecimal digits), found {cell.key[:70]!r}"
    if not _is_date(cell.finished):
        yield f"finished must be a UTC time like 2026-01-02T03:04:05Z, found {str(cell.finished)[:60]!r}"
    yield from environment_problems(cell)
    yield from text_problems(cell.document)
    yield from number_problems(cell) if cell.is_ok else _reason_problems(cell)


def environment_problems(cell: StoredCell) -> Iterator[str]:
    environment = cell.environment.stated
    wanted = [*ENVIRONMENT, *(["gpu"] if str(cell.settings.device).startswith("cuda") else [])]
    missing = [name for name in wanted if environment.get(name) in (None, "")]
    if not environment.get("commit") and not environment.get("ditbench"):
        missing.append("commit or ditbench")
    if missing:
        yield f"environment lacks {', '.join(missing)}"


def _reason_problems(cell: StoredCell) -> Iterator[str]:
    if not cell.reason:
        yield f"status is {cell.status} without a reason"


def _file_problems(results: Results) -> Iterator[str]:
    for path in sorted(results.directory.glob("cells/*/*.json")):
        size = path.stat().st_size if path.is_file() else 0  # what is no file was said before
        if size > MAX_FILE:
            yield f"{path}: {size / 1e6:.0f} MB, expected at most {MAX_FILE / 1e6:.0f} MB"
    for model, slug in results.missing:
        yield f"{results.directory}/suite.json: lists {model}/{slug}, which is not there"


def _is_date(text: object) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
