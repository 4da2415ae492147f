"""A result directory: its cells, typed, and what could not be read. Reads; never measures."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.schema.cell import read_json
from bench.schema.clipping import clipped
from bench.store.sessions import FOLDER, Session, read_session
from bench.store.stored_cell import Name, StoredCell, read_stored
from bench.suite.judging import Judging
from bench.suite.judging import read as read_judging
from models.errors import InputError

_SUITE = {"suite": str, "title": str, "description": str, "sha256": str, "protocol": dict, "settings": dict,
          "verdict": dict, "reference": dict, "cells": list}  # fmt: skip


@dataclass(frozen=True)
class Results:
    """What a result directory holds. `unreadable` are one-line reasons; `missing` are (model, slug) not run yet."""

    directory: Path
    cells: list[StoredCell]
    unreadable: list[str] = field(default_factory=list)
    missing: list[Name] = field(default_factory=list)
    suite: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """What messages call it."""
        return str(self.directory)

    @property
    def judging(self) -> Judging:
        """By what, and with which margins, the suite has its settings judged."""
        return read_judging(self.suite.get("verdict") or {}, f"{self.where}: verdict")

    @property
    def models(self) -> list[str]:
        """Model names in the suite's order."""
        return list(dict.fromkeys(cell.model for cell in self.cells))


def read_results(directory: Path | str) -> Results:
    """Every cell under `directory`/cells, in the suite's order, long texts cut. Raises InputError if there is none.

    A file that cannot be trusted becomes an entry of `unreadable`; none of its numbers is used.
    """
    return _read(Path(directory), clip=True)


def read_whole(directory: Path | str) -> Results:
    """`read_results` with every text in full, however long."""
    return _read(Path(directory), clip=False)


def _read(directory: Path, clip: bool) -> Results:
    if not directory.is_dir():
        raise InputError(f"{directory}: expected a result directory (with cells/<model>/<method>.json)")
    cells: list[StoredCell] = []
    unreadable: list[str] = []
    for path in sorted(directory.glob("cells/*/*.json")):
        try:
            cells.append(read_stored(path, clip))
        except InputError as error:
            unreadable.append(str(error).removeprefix(f"{directory}{os.sep}"))
    if not cells and not unreadable:
        raise InputError(f"{directory}: no results there (expected cells/<model>/<method>.json)")
    suite, listed = _read_suite(directory / "suite.json", unreadable)
    order = {pair: i for i, pair in enumerate(listed)}
    cells = with_sessions(cells, _sessions(directory, unreadable))
    cells.sort(key=lambda cell: order.get(cell.name, len(order)))
    present = {path.relative_to(directory / "cells").with_suffix("").parts for path in directory.glob("cells/*/*.json")}
    missing = [pair for pair in listed if pair not in present]
    if clip:
        suite, unreadable = clipped(suite), clipped(unreadable)
    return Results(directory, cells, unreadable, missing, suite)


def with_sessions(cells: Iterable[StoredCell], sessions: Iterable[Session]) -> list[StoredCell]:
    """The cells, each with the session that its times name; None where that is not at hand or has not timed it."""
    known = {session.id: session for session in sessions}
    paired = [(cell, known.get(cell.timing.session or "")) for cell in cells]
    return [
        replace(cell, session=session) if session and session.settings.get(cell.slug) == cell.key else cell
        for cell, session in paired
    ]


def _sessions(directory: Path, unreadable: list[str]) -> list[Session]:
    """The sessions of a result directory; of one that cannot be trusted the reason."""
    read = []
    for path in sorted(directory.glob(f"{FOLDER}/*.json")):
        try:
            read.append(read_session(path))
        except InputError as error:
            unreadable.append(str(error).removeprefix(f"{directory}{os.sep}"))
    return read


def _read_suite(path: Path, unreadable: list[str]) -> tuple[dict[str, Any], list[Name]]:
    """suite.json and its list of cells; both empty, with a note in `unreadable`, where it is absent or damaged."""
    try:
        suite = read_json(path)
        return suite, _listed(path, suite)
    except InputError as error:
        if path.exists():
            unreadable.append(str(error).removeprefix(f"{path.parent}{os.sep}"))
        return {}, []


def _listed(path: Path, suite: dict[str, Any]) -> list[Name]:
    """The suite's (model, slug). Raises InputError where anything that pages read has another type."""
    for key, kind in _SUITE.items():
        if not isinstance(suite.get(key), kind | None):
            raise InputError(f"{path}: {key} must be a {kind.__name__}, found {type(suite[key]).__name__}")
    listed = suite.get("cells") or []
    if not all(isinstance(pair, list) and [type(part) for part in pair] == [str, str] for pair in listed):
        raise InputError(f"{path}: cells must be a list of [model, method]")
    read_judging(suite.get("verdict") or {}, f"{path}: verdict")
    return [(model, slug) for model, slug in listed]


def one_line(text: str) -> str:
    """`text` with control characters (line ends, tabs, escapes) as single spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
