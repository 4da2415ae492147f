"""Stored results of studies, typed: DIR/STUDY/MODEL.json says what was asked, found and measured, MODEL.svg shows it.

What they say is text of others, read without the study's code; long texts are cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.schema.clipping import clipped
from models.errors import InputError
from models.json_object import read_object

VERSION = 1
TEXTS = ("study", "model", "question", "answer", "command")
MAX_SENTENCE = 1500  # characters of a question, an answer or of how it was found


@dataclass(frozen=True)
class StoredTable:
    """Cells are texts; the first column names the row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class StoredStudy:
    """One study of one model. `content` is the whole file; `picture` the plot as SVG, None where there is none.

    `how` says what was measured and compared; empty in files from before it was stored.
    """

    study: str
    model: str
    question: str
    answer: str
    command: str
    settings: Mapping[str, Any]
    made_with: Mapping[str, Any]
    how: str
    tables: tuple[StoredTable, ...]
    file: Path
    content: bytes
    picture: bytes | None


def holds_studies(directory: Path) -> bool:
    """Whether a folder is one of studies' results, rather than a run's."""
    return not (directory / "cells").exists() and any(map(_is_result, sorted(directory.glob("*/*.json"))))


def _is_result(path: Path) -> bool:
    try:
        return "study" in read_object(path)
    except InputError:
        return False


def read_studies(directory: Path) -> list[StoredStudy]:
    """All results in a folder, by name of file. Raises InputError for one that cannot be trusted."""
    return [read_stored_study(path) for path in sorted(directory.glob("*/*.json"))]


def read_stored_study(path: Path) -> StoredStudy:
    """Raises InputError, in one line that names the file, where it holds no study's result."""
    result = read_object(path, "a study's result")
    if result.get("version") != VERSION:
        raise InputError(f"{path}: expected a study's result of version {VERSION}")
    for key in TEXTS:
        if not isinstance(result.get(key), str) or not result[key]:
            raise InputError(f"{path}: {key} must be a text")
    if not isinstance(result.get("how", ""), str):
        raise InputError(f"{path}: how must be a text")
    for key in ("settings", "made_with"):
        if not isinstance(result.get(key), dict):
            raise InputError(f"{path}: {key} must be an object")
    study, model, question, answer, command = (cut(result[key]) for key in TEXTS)
    picture = path.with_suffix(".svg")
    return StoredStudy(
        study,
        model,
        question,
        answer,
        command,
        settings=clipped(result["settings"]),
        made_with=clipped(result["made_with"]),
        how=cut(result.get("how", "")),
        tables=_tables(result.get("tables", []), path),
        file=path,
        content=path.read_bytes(),
        picture=picture.read_bytes() if picture.is_file() else None,
    )


def cut(text: str) -> str:
    """On one line, and no longer than a sentence may be."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_SENTENCE else line[: MAX_SENTENCE - 1] + "…"


def _tables(stored: Any, path: Path) -> tuple[StoredTable, ...]:
    """Of a list of objects with a caption, a head and rows, all rows as long as the head."""
    if not isinstance(stored, list) or not all(isinstance(table, dict) and _is_table(table) for table in stored):
        raise InputError(f"{path}: tables must be a list of objects with a caption, a head and rows of texts")
    shown = clipped(stored)
    return tuple(StoredTable(t["caption"], tuple(t["head"]), tuple(map(tuple, t["rows"]))) for t in shown)


def _is_table(table: dict[str, Any]) -> bool:
    head, rows = table.get("head", []), table.get("rows")
    return isinstance(table.get("caption"), str) and _are_texts(head) and isinstance(rows, list) and all(
        _are_texts(row) and len(row) == len(head) for row in rows
    )  # fmt: skip


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)
