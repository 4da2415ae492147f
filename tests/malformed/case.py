"""One malformed input: the files that it consists of, the command that reads them, and what its line must say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Reads the weights that --weights names, of the tiny model.
READS_WEIGHTS = [
    "calibrate",
    "smoothcache",
    "steps=2",
    "--samples",
    "1",
    "--model",
    "tiny",
    "--plugin",
    "{shared}/tiny_plugin.py",
]
Content = bytes | str | Callable[[Path], Any]  # what is written, or what makes the file at a path


@dataclass(frozen=True)
class Case:
    """`words` and `says` may hold {here}, the case's folder. `code` 1: left out by name, on standard output."""

    name: str
    words: Sequence[str]
    says: Sequence[str]
    files: Mapping[str, Content] = field(default_factory=dict)
    code: int = 2
    environment: Mapping[str, str] = field(default_factory=dict)

    def make(self, here: Path) -> list[str]:
        """Write the files; returns the command line."""
        for name, content in self.files.items():
            path = here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(path)
            else:
                path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
        return [word.replace("{here}", str(here)) for word in self.words]


def named(kind: str, cases: Iterable[Case]) -> list[Case]:
    """The cases with their kind before their names, no name twice."""
    made = [Case(f"{kind}: {c.name}", c.words, c.says, c.files, c.code, c.environment) for c in cases]
    assert len({case.name for case in made}) == len(made), f"a name is there twice among {kind}"
    return made


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    """A value in so many brackets."""
    return opening * depth + "1" + closing * depth


def pipe(path: Path) -> None:
    """A named pipe that nobody writes: whoever reads it waits for ever."""
    os.mkfifo(path)


def device(path: Path) -> None:
    """A link to a file without end."""
    path.symlink_to("/dev/zero")


def sparse(size: int) -> Callable[[Path], None]:
    """A file of so many zeros that takes no room on the disk."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def as_json(value: Any) -> str:
    """Of any value, NaN and infinity too."""
    return json.dumps(value)
