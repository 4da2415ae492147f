"""Which cells of a run are done, known by a look at their files: reading thousands of them takes longer than a look.

What was read of a cell is remembered under its file's time and size (cells/.states.json). Nothing depends on it: where
it is missing, damaged or does not fit the file, the file is read.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from bench.host.files import OutputError, write_bytes
from bench.schema.cell import SCHEMA
from bench.store.stored_cell import StoredCell

VERSION = 1
FILE = ".states.json"


@dataclass(frozen=True)
class State:
    """What a run asks of a cell's file."""

    key: str
    status: str
    is_timed: bool

    @classmethod
    def of(cls, cell: StoredCell) -> State:
        return cls(cell.key, cell.status, cell.is_timed)


class States:
    """The states below a run's folder of cells."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.changed = folder, False
        self.known: dict[str, tuple[tuple[int, int], State]] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            content = json.loads((folder / FILE).read_text("utf-8"))
            if content["version"] == [VERSION, SCHEMA]:
                self.known = {name: ((time, size), State(*told)) for name, (time, size, *told) in content["of"].items()}

    def get(self, path: Path) -> State | None:
        """What is remembered of a file as it is now; None where it must be read. Raises FileNotFoundError."""
        kept = self.known.get(self._name(path))
        return kept[1] if kept is not None and kept[0] == _look(path) else None

    def remember(self, path: Path, cell: StoredCell) -> State:
        """What was just read."""
        state = State.of(cell)
        with contextlib.suppress(OSError):
            self.known[self._name(path)] = (_look(path), state)
            self.changed = True
        return state

    def keep(self) -> None:
        """Write it down, if there is something new; whoever cannot write goes without."""
        if self.changed:
            rows = {name: [*look, s.key, s.status, s.is_timed] for name, (look, s) in self.known.items()}
            with contextlib.suppress(OutputError):
                write_bytes(self.folder / FILE, json.dumps({"version": [VERSION, SCHEMA], "of": rows}).encode())
            self.changed = False

    def _name(self, path: Path) -> str:
        return f"{path.parent.name}/{path.name}"


def _look(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
