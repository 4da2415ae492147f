"""A run's directory: one JSON a cell, written whole or not at all, and what makes a second run a resume."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from bench.host.files import is_temporary, make_folder, set_aside, write_json
from bench.host.lock import locked, take_alone
from bench.host.notice import say
from bench.host.patience import patiently
from bench.schema.cell import SCHEMA, read_json
from bench.schema.checksum import sealed
from bench.store.states import State, States
from bench.store.stored_cell import StoredCell, read_stored
from bench.suite.cells import Cell, Settings
from bench.suite.file import Suite
from bench.suite.protocol import VERSION
from models.errors import InputError

FOLDERS = ("cells", "sessions", "samples", "images", "exact", "logs")  # that a run writes in
WORKERS = "workers"  # the folder of a run by which driver and workers elsewhere talk


class Store:
    """DIR/suite.json, DIR/cells/<model>/<slug>.json, DIR/samples/<model>/<slug>/, DIR/logs/."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    @cached_property
    def states(self) -> States:
        """What is remembered of the cells' files."""
        return States(self.directory / "cells")

    def cell_path(self, cell: Cell) -> Path:
        """DIR/cells/<model>/<slug>.json, there or not."""
        return self._path("cells", cell, ".json")

    def samples_folder(self, cell: Cell) -> Path:
        """Holds the cell's shards."""
        return self._path("samples", cell, "")

    def images_folder(self, cell: Cell) -> Path:
        """Of the images that a suite keeps."""
        return self._path("images", cell, "")

    def exact_folder(self, cell: Cell) -> Path:
        """Of samples that fidelity is measured by; `cell` is in no suite."""
        return self._path("exact", cell, "")

    def log_path(self, cell: Cell) -> Path:
        """Of what a cell's process wrote on stdout and stderr."""
        return self._path("logs", cell, ".log")

    def _path(self, folder: str, cell: Cell, suffix: str) -> Path:
        return self.directory / folder / cell.model / (cell.slug + suffix)

    def open(self, suite: Suite, settings: Settings, plugins: Sequence[str] = ()) -> None:
        """Make the directory this suite's. Raises InputError where it holds another suite's run.

        Where suite.json is lost or damaged, a cell's key says whose run it is.
        """
        path = self.directory / "suite.json"
        new = describe(suite, settings, plugins)
        try:
            old = read_json(path) if path.exists() else None
            wrong = f"{self.directory}: holds cells but no suite.json" if old is None else None
        except InputError as error:
            old, wrong = None, str(error)
        if old is not None:
            check_same_run(self.directory, old, new)
        elif path.exists() or (self.directory / "cells").exists():
            if not self.has_cell_of(suite, settings):
                raise InputError(f"{wrong}, and no cell in it is one of this run; choose another --out")
            say(f"{wrong}; its cells are this run's, so suite.json is written anew")
        write_json(path, sealed(new))

    def has_cell_of(self, suite: Suite, settings: Settings) -> bool:
        """Whether a stored cell has the key that a cell of this suite has under these settings."""
        for cell in suite.cells:
            with contextlib.suppress(InputError):
                state = self.state(cell)
                if state is not None and state.key == cell.key(settings):
                    return True
        return False

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """One run a directory, without lock files at its end. Raises InputError where another one is at work."""
        with self._untouched_by_refusal(), self.alone():
            remove_leftovers(self.directory)
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """`exclusive`, for whoever leaves what is there as it is."""
        with self._locked():
            try:
                yield
            finally:
                self._remove_locks()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """For those that only add samples: side by side, but not beside a run. Raises InputError where one is."""
        with self._untouched_by_refusal(), self._locked(shared=True) as lock:
            try:
                yield
            finally:
                if take_alone(lock):  # the last one tidies up
                    self._remove_locks()

    @contextlib.contextmanager
    def _untouched_by_refusal(self) -> Iterator[None]:
        """Within it an InputError before anything was made leaves no directory that was not there before."""
        whole = (self.directory, *self.directory.parents)
        missing = [folder for folder in whole if not folder.exists()]
        try:
            yield
        except InputError:
            if missing and not [*self.directory.glob("*/*")]:
                (self.directory / "suite.json").unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # something is in it
                    for folder in missing:
                        folder.rmdir()
            raise

    def _locked(self, shared: bool = False) -> AbstractContextManager[IO[str]]:
        make_folder(self.directory)
        busy = f"{self.directory}: another run is writing here; wait for it or choose --out"
        return locked(self.directory / ".run.lock", busy, shared)

    def _remove_locks(self) -> None:
        for left in self.directory.glob(".*.lock"):
            left.unlink(missing_ok=True)

    def read(self, cell: Cell) -> StoredCell | None:
        """A cell's stored result, None where there is none. Raises InputError for a corrupt file."""
        path = self.cell_path(cell)
        if not patiently(path.exists):
            return None
        try:
            return read_stored(path)
        except InputError as error:
            raise InputError(f"{error}; delete this cell file to run the cell again") from error

    def state(self, cell: Cell) -> State | None:
        """What a run asks of a cell's stored result. Raises InputError as `read`, of a file that must be read."""
        path = self.cell_path(cell)
        try:
            known = patiently(lambda: self.states.get(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        if known is not None:
            return known
        stored = self.read(cell)
        return None if stored is None else self.states.remember(path, stored)

    def set_aside(self, cell: Cell) -> Path:
        """Keep a damaged file under another name, so that the cell is run again. Raises OutputError."""
        return set_aside(self.cell_path(cell))

    def write(self, cell: Cell, result: dict[str, Any]) -> None:
        """A cell's JSON with its checksum, whole or not at all. Raises OutputError."""
        as_read = json.loads(json.dumps(result, allow_nan=False))  # keys that are no strings become some
        write_json(self.cell_path(cell), sealed(as_read))


def describe(suite: Suite, settings: Settings, plugins: Sequence[str] = ()) -> dict[str, Any]:
    """What suite.json says: which cells belong to the run and under which protocol, settings and plugins they ran."""
    return {
        "schema": SCHEMA,
        "suite": suite.name,
        "title": suite.title,
        "description": suite.description,
        "sha256": suite.sha256,
        "protocol": {"version": VERSION, **suite.protocol.as_dict()},
        "verdict": suite.judging.as_dict(),
        "settings": settings.recorded(),
        "plugins": [
            {"file": Path(file).name, "sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest()} for file in plugins
        ],
        "cells": [[cell.model, cell.slug] for cell in suite.cells],
        "reference": {model: cell.slug for model, cell in suite.references.items()},
    }


def check_same_run(directory: Path, old: Any, new: dict[str, Any]) -> None:
    """A suite may gain or lose cells between runs; its name, protocol, settings and reference must stay."""
    if not isinstance(old, dict) or old.get("schema") != SCHEMA:
        raise InputError(f"{directory / 'suite.json'}: not a suite record of schema {SCHEMA}; choose another --out")
    if old.get("suite") != new["suite"]:
        raise InputError(
            f"{directory}: holds a run of suite '{old.get('suite')}', not '{new['suite']}'; choose another --out"
        )
    for what in ("protocol", "settings"):
        before, now = flat(old.get(what)), flat(new[what])
        named = {**before, **now} if what == "settings" else now  # a setting may be named where it is not the default
        for key in named:
            may_change = key == "timeout" or key.startswith("quality.")  # samples may be judged anew
            if not may_change and before.get(key) != now.get(key):
                raise InputError(
                    f"{directory}: its run has {key} {before.get(key)!r}, this one {now.get(key)!r}; choose another "
                    "--out"
                )
    check_same_reference(directory, flat(old.get("reference")), new["reference"])


def check_same_reference(directory: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Of models known before, all cells compare with one reference; a model that is new in the suite may be new here.

    A suite states a reference for all of its models or for none.
    """
    if bool(old) == bool(new) and all(old.get(model, slug) == slug for model, slug in new.items()):
        return
    before, now = (", ".join(sorted({str(slug) for slug in r.values()})) or "none" for r in (old, new))
    raise InputError(f"{directory}: its run has the reference {before}, this one {now}; choose another --out")


def flat(table: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables with dotted keys."""
    names: dict[str, Any] = {}
    for key, value in (table if isinstance(table, dict) else {}).items():
        names |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return names


def remove_leftovers(directory: Path) -> None:
    """Temporary files of a run that was killed while writing, and its talk with its workers."""
    shutil.rmtree(directory / WORKERS, ignore_errors=True)
    for path in leftovers(directory):
        with contextlib.suppress(OSError):
            path.unlink()


def leftovers(directory: Path) -> Iterator[Path]:
    """Temporary files in a run's own folders, and beside its results; and what it and its workers said."""
    for folder in FOLDERS:
        yield from (directory / folder).rglob(".*.tmp")
    yield from (path for path in directory.glob(".*.tmp") if is_temporary(path))
    yield from (path for path in (directory / WORKERS).rglob("*") if not path.is_dir() or path.is_symlink())
