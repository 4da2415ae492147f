"""suite.json, typed: what a run was of, under which rules and options, and the cells that belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.schema.cell import read_json
from bench.schema.clipping import clipped
from bench.store.stored_cell import Name
from bench.suite.judging import DEFAULT, Judging
from bench.suite.judging import read as read_judging
from models.errors import InputError

_MEMBERS = {"suite": str, "title": str, "description": str, "sha256": str, "protocol": dict, "settings": dict,
            "verdict": dict, "reference": dict, "cells": list, "plugins": list}  # fmt: skip


@dataclass(frozen=True)
class StoredSuite:
    """What docs/results-schema.md says of suite.json; empty where the file says nothing, or is not there.

    `reference` is the slug of each model's reference, `plugins` are file names, `content` is the whole file.
    """

    name: str = ""
    title: str = ""
    description: str = ""
    sha256: str = ""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    judging: Judging = DEFAULT
    reference: Mapping[str, str] = field(default_factory=dict)
    cells: tuple[Name, ...] = ()
    plugins: tuple[str, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_stored_suite(path: Path, clip: bool) -> StoredSuite:
    """`clip`: long texts are cut, `content` aside. Raises InputError, in one line, for what cannot be trusted."""
    content = read_json(path)
    for key, kind in _MEMBERS.items():
        if not isinstance(content.get(key), kind | None):
            raise InputError(f"{path}: {key} must be a {kind.__name__}, found {type(content[key]).__name__}")
    listed = content.get("cells") or []
    if not all(isinstance(pair, list) and [type(part) for part in pair] == [str, str] for pair in listed):
        raise InputError(f"{path}: cells must be a list of [model, method]")
    plugins = content.get("plugins") or []
    if not all(isinstance(plugin, dict) and isinstance(plugin.get("file"), str) for plugin in plugins):
        raise InputError(f"{path}: plugins must be a list of objects with a file")
    if not all(isinstance(slug, str | None) for slug in (content.get("reference") or {}).values()):
        raise InputError(f"{path}: reference must name one method a model")
    shown = clipped(content) if clip else content
    texts = {key: shown.get(key) or "" for key in ("title", "description", "sha256")}
    return StoredSuite(
        name=shown.get("suite") or "",
        **texts,
        protocol=shown.get("protocol") or {},
        settings=shown.get("settings") or {},
        judging=read_judging(content.get("verdict") or {}, f"{path}: verdict"),
        reference=content.get("reference") or {},
        cells=tuple((model, slug) for model, slug in listed),
        plugins=tuple(plugin["file"] for plugin in shown.get("plugins") or []),
        content=content,
    )
