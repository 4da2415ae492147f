"""What a site was built from, as one hash: so that a reader can tell whether it is stale."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.show.published.rows import DIRECTORY as PUBLISHED
from bench.show.site.runs import Run


def digest(runs: Sequence[Run]) -> str:
    """SHA-256 of every cell, every suite.json and the published numbers: contents and names, not where they lie."""
    total = hashlib.sha256()
    for name, file in sources(runs):
        content = file.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape") + content)
    return total.hexdigest()


def sources(runs: Sequence[Run]) -> Iterator[tuple[str, Path]]:
    """(name, file) of all inputs, in a fixed order."""
    for run in runs:
        directory = run.results.directory
        for file in [directory / "suite.json", *sorted(directory.glob("cells/*/*.json"))]:
            if file.is_file():
                yield f"{run.page}/{file.relative_to(directory).as_posix()}", file
    for file in sorted(PUBLISHED.glob("*.toml")):
        yield f"published/{file.name}", file
