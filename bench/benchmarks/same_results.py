"""What two runs of one suite must have in common, however they were split, broken off or gone on with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bench.schema.checksum import FIELD

# What times and machines decide, and the checksum, which is of all of it.
VOLATILE = ("timing", "memory", "environment", "seconds", "finished", "prepare_s", FIELD)


def cells(out: Path) -> dict[str, dict[str, Any]]:
    """Every stored cell by model/slug."""
    return {f"{path.parent.name}/{path.stem}": json.loads(path.read_bytes()) for path in out.glob("cells/*/*.json")}


def deterministic(out: Path) -> dict[str, Any]:
    """All fields of the cells that are no times, and a SHA-256 of every file of samples, by names."""
    kept = {
        f"{name}: {key}": value
        for name, cell in cells(out).items()
        for key, value in cell.items()
        if key not in VOLATILE
    }
    for path in out.rglob("*.safetensors"):
        kept[str(path.relative_to(out))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return kept


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """The names under which two runs differ, or that one of them lacks."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
