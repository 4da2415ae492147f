"""A result directory: its cells, typed, and what could not be read. Reads; never measures."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.host.collector import gc_off
from bench.schema.checksum import is_sealed
from bench.schema.clipping import clipped
from bench.store.sessions import FOLDER, Session, read_session
from bench.store.stored_cell import Name, StoredCell, read_stored
from bench.store.stored_suite import StoredSuite, read_stored_suite
from models.errors import InputError


@dataclass(frozen=True)
class Results:
    """What a result directory holds. `unreadable` are one-line reasons; `missing` are (model, slug) not run yet.

    `unsealed` counts the files that are read without a checksum: those of earlier versions.
    """

    directory: Path
    cells: list[StoredCell]
    unreadable: list[str] = field(default_factory=list)
    missing: list[Name] = field(default_factory=list)
    suite: StoredSuite = field(default_factory=StoredSuite)
    unsealed: int = 0

    @property
    def where(self) -> str:
        """What messages call it."""
        return str(self.directory)

    @property
    def title(self) -> str:
        """The suite's title or name, else the directory's."""
        return self.suite.title or self.suite.name or self.directory.resolve().name

    @property
    def models(self) -> list[str]:
        """Model names in the suite's order."""
        return list(dict.fromkeys(cell.model for cell in self.cells))


def read_results(directory: Path | str) -> Results:
    """Every cell under `directory`/cells, in the suite's order, long texts cut. Raises InputError if there is none.

    The cells keep no document. A file that cannot be trusted becomes an entry of `unreadable`; none of its numbers is
    used.
    """
    return _read(Path(directory), whole=False)


def read_whole(directory: Path | str) -> Results:
    """`read_results` with every text in full, however long, and every cell's document."""
    return _read(Path(directory), whole=True)


def _read(directory: Path, whole: bool) -> Results:
    if not directory.is_dir():
        raise InputError(f"{directory}: expected a result directory (with cells/<model>/<method>.json)")
    unreadable: list[str] = []
    paths = sorted(directory.glob("cells/*/*.json"))
    cells = _cells(directory, paths, whole, unreadable)
    if not cells and not unreadable:
        raise InputError(f"{directory}: no results there (expected cells/<model>/<method>.json)")
    suite = _suite(directory / "suite.json", not whole, unreadable)
    order = {pair: i for i, pair in enumerate(suite.cells)}
    sessions = _sessions(directory, unreadable)
    files = [file for file in (*(s.content for s in sessions), suite.content) if file]
    unsealed = sum(not cell.is_sealed for cell in cells) + sum(not is_sealed(file) for file in files)
    cells = with_sessions(cells, sessions)
    cells.sort(key=lambda cell: order.get(cell.name, len(order)))
    present = {(path.parent.name, path.stem) for path in paths}
    missing = [pair for pair in suite.cells if pair not in present]
    if not whole:
        unreadable = clipped(unreadable)
    return Results(directory, cells, unreadable, missing, suite, unsealed)


def _cells(directory: Path, paths: Iterable[Path], whole: bool, unreadable: list[str]) -> list[StoredCell]:
    """Those whose files can be trusted, by their names; of others the reason."""
    read = []
    with gc_off():
        for path in paths:
            try:
                read.append(read_stored(path, whole))
            except InputError as error:
                unreadable.append(str(error).removeprefix(f"{directory}{os.sep}"))
    return read


def with_sessions(cells: Iterable[StoredCell], sessions: Iterable[Session]) -> list[StoredCell]:
    """The cells, each with the session that its times name; None where that is not at hand or has not timed it."""
    known = {session.id: (session, session.settings) for session in sessions}
    paired = [(cell, *known.get(cell.timing.session or "", (None, {}))) for cell in cells]
    return [
        replace(cell, session=session) if session and settings.get(cell.slug) == cell.key else cell
        for cell, session, settings in paired
    ]


def _sessions(directory: Path, unreadable: list[str]) -> list[Session]:
    """The sessions of a result directory; of one that cannot be trusted the reason."""
    read = []
    for path in sorted(directory.glob(f"{FOLDER}/*.json")):
        try:
            read.append(read_session(path))
        except InputError as error:
            unreadable.append(str(error).removeprefix(f"{directory}{os.sep}"))
    return read


def _suite(path: Path, clip: bool, unreadable: list[str]) -> StoredSuite:
    """The suite; an empty one, with a note in `unreadable`, where its file is damaged."""
    try:
        return read_stored_suite(path, clip)
    except InputError as error:
        if path.exists() or path.is_symlink():
            unreadable.append(str(error).removeprefix(f"{path.parent}{os.sep}"))
        return StoredSuite()


def one_line(text: str) -> str:
    """`text` with control characters (line ends, tabs, escapes) as single spaces."""
    if text.isprintable():
        return " ".join(text.split())
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
