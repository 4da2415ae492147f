"""A run's weights: found before the first cell starts, recorded with every cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import models
from bench.suite.cells import Cell, Settings
from models.errors import InputError
from models.folders import digest
from models.official import weights_file

RANDOM = "random"


def find_weights(cells: Sequence[Cell], settings: Settings) -> None:
    """Fetch what is to be fetched, once and with progress, not in every cell.

    Raises InputError where a model's weights cannot be had or do not fit it, and for one file that several models
    should load.
    """
    names = sorted({cell.model for cell in cells if cell.broken is None})
    if is_file(settings) and len(names) > 1:
        raise InputError(
            f"--weights {settings.weights}: one model's file, but these cells are of {', '.join(names)}; "
            "choose one with --only model=NAME"
        )
    for name in names:
        path = weights_file(models.spec(name), settings.weights)
        if path is not None and not path.is_file():
            raise InputError(f"{path}: no such file of weights for {name}")
        if path is not None and (is_file(settings) or models.plugin_file(name)):
            models.check_weights(name, path)


def is_file(settings: Settings) -> bool:
    """Whether --weights names a file, not one of the words."""
    return settings.weights not in (None, RANDOM) and str(settings.weights).split(":")[0] != "official"


def has_quality(settings: Settings) -> bool:
    """Whether samples mean anything: with random weights only speed and memory are measured."""
    return settings.weights != RANDOM


def describe_weights(model: str, settings: Settings) -> dict[str, Any]:
    """What a result records: which weights, and the SHA-256 of their file (None for random ones)."""
    path = weights_file(models.spec(model), settings.weights)
    name = Path(str(settings.weights)).name if is_file(settings) else settings.weights or "shipped"
    return {"weights": name, "weights_sha256": None if path is None else digest(path)}
