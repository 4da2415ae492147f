"""The gate's committed baseline: cells without what changes from run to run, so that its diff can be reviewed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.host.files import write_bytes, write_json
from bench.schema.cell import Cell, look_up
from bench.store.results import Results
from models.errors import InputError

DIGITS = 6  # significant ones
KEPT_ENVIRONMENT = ("cpu", "gpu", "torch", "python", "cores", "commit")
TIMING = ("batch", "threads", "latency_ms", "speedup", "speedup_reference", "gemm_fraction", "resolution", "ceilings")
VERSATILE = ("fd_jackknife", "is_jackknife", "accuracy_jackknife", "accuracy_groups")  # long, and no check reads them


def update(base: Path, new: Results) -> list[str]:
    """Make `base` the stripped copy of a run; returns the names of the cells that changed, were added or went.

    Cells that the run lacks are removed. Raises OutputError where `base` cannot be written.
    """
    changed = []
    wanted = {base / "cells" / c["model"] / f"{c['slug']}.json": text(stripped(c)) for c in new.cells}
    for path in set(base.glob("cells/*/*.json")) - set(wanted):
        path.unlink()
        changed.append(f"{path.parent.name}/{path.stem}: gone")
    for path, content in wanted.items():
        if not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content)
            changed.append(f"{path.parent.name}/{path.stem}")
    write_json(base / "suite.json", new.suite)
    return sorted(changed)


def commit_of(base: Results) -> str:
    """The commit whose code measured a baseline. Raises InputError where no single commit did."""
    commits = {str(look_up(cell, "environment.commit")) for cell in base.cells}
    if len(commits) != 1 or (commit := commits.pop()) == "None" or commit.endswith("+"):
        named = ", ".join(sorted(commits)) or commit
        raise InputError(f"{base.directory}: measured at no single commit ({named}); --base-ref REF names one")
    return commit


def stripped(cell: Cell) -> Cell:
    """The cell without raw rounds, times of day and load; numbers to six digits, keys sorted."""
    made = {k: v for k, v in cell.items() if k not in ("seconds", "finished", "memory")}
    made["environment"] = {k: v for k in KEPT_ENVIRONMENT if (v := look_up(cell, f"environment.{k}")) is not None}
    if cell.get("timing"):
        made["timing"] = {k: cell["timing"].get(k) for k in TIMING}
    if cell.get("quality"):
        made["quality"] = {k: v for k, v in cell["quality"].items() if k not in VERSATILE}
    return rounded(made)


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.{DIGITS - 1}e}") if isinstance(value, float) else value


def text(cell: Cell) -> bytes:
    """JSON with one line for each innermost list, so that a moved evaluation is one line of a diff."""
    return (layout(cell) + "\n").encode()


def layout(value: Any, indent: str = "") -> str:
    inner = indent + " "
    if isinstance(value, dict) and value:
        items = (f"{inner}{json.dumps(k)}: {layout(v, inner)}" for k, v in value.items())
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, list | str) for v in value):
        return "[\n" + ",\n".join(inner + layout(v, inner) for v in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)
