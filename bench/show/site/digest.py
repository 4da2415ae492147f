"""What a site was built from, as one hash: so that a reader can tell whether it is stale."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from bench.show.published.rows import DIRECTORY as PUBLISHED
from bench.show.site.inputs import Inputs


def digest(inputs: Inputs) -> str:
    """SHA-256 of all cells, suites, studies and published numbers: contents and names, not where they lie."""
    total = hashlib.sha256()
    for name, file in sources(inputs):
        content = file.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape") + content)
    return total.hexdigest()


def sources(inputs: Inputs) -> Iterator[tuple[str, Path]]:
    """(name, file) of all inputs, in a fixed order."""
    for run in inputs.runs:
        directory = run.results.directory
        for file in [directory / "suite.json", *sorted(directory.glob("cells/*/*.json"))]:
            if file.is_file():
                yield f"{run.page}/{file.relative_to(directory).as_posix()}", file
    for finding in (one for study in inputs.studies for one in study.findings):
        for file in (finding.stored.file, finding.stored.file.with_suffix(".svg")):
            if file.is_file():
                yield f"{Path(finding.data).with_suffix(file.suffix)}", file
    for file in sorted(PUBLISHED.glob("*.toml")):
        yield f"published/{file.name}", file
