"""The gate's committed baseline: cells without what changes from run to run, so that its diff can be reviewed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.host.files import write_bytes, write_json
from bench.store.results import Results
from bench.store.stripped import stripped
from models.errors import InputError

DIGITS = 6  # significant ones


def update(base: Path, new: Results) -> list[str]:
    """Make `base` the stripped copy of a run; returns the names of the cells that changed, were added or went.

    Cells that the run lacks are removed. Raises OutputError where `base` cannot be written.
    """
    changed = []
    wanted = {base / "cells" / c.model / f"{c.slug}.json": text(rounded(stripped(c))) for c in new.cells}
    for path in set(base.glob("cells/*/*.json")) - set(wanted):
        path.unlink()
        changed.append(f"{path.parent.name}/{path.stem}: gone")
    for path, content in wanted.items():
        if not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content)
            changed.append(f"{path.parent.name}/{path.stem}")
    write_json(base / "suite.json", dict(new.suite.content))
    return sorted(changed)


def commit_of(base: Results) -> str:
    """The commit whose code measured a baseline. Raises InputError where no single commit did."""
    commits = {str(cell.environment.commit) for cell in base.cells}
    if len(commits) != 1 or (commit := commits.pop()) == "None" or commit.endswith("+"):
        named = ", ".join(sorted(commits)) or commit
        raise InputError(f"{base.directory}: measured at no single commit ({named}); --base-ref REF names one")
    return commit


def rounded(value: Any) -> Any:
    """JSON with its numbers to six digits and its keys sorted."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.{DIGITS - 1}e}") if isinstance(value, float) else value


def text(document: Any) -> bytes:
    """JSON with one line for each innermost list, so that a moved evaluation is one line of a diff."""
    return (layout(document) + "\n").encode()


def layout(value: Any, indent: str = "") -> str:
    inner = indent + " "
    if isinstance(value, dict) and value:
        items = (f"{inner}{json.dumps(k)}: {layout(v, inner)}" for k, v in value.items())
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, list | str) for v in value):
        return "[\n" + ",\n".join(inner + layout(v, inner) for v in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)
