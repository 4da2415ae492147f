"""What `ditbench clean` may remove: of a run that nobody works on, and of the cache directory."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from bench.host.files import TEMPORARY
from bench.host.removal import Found, found
from bench.measure.samples.shards import is_shard
from bench.quality.features import kept
from bench.store.directory import leftovers
from bench.store.states import State, States
from bench.store.stored_cell import Name, read_stored
from bench.store.stored_suite import read_stored_suite
from models.downloads import downloads
from models.errors import InputError

LEFT, SAMPLES = "temporary files", "shards of samples"
NOTE = re.compile(r"\..+\.json\.\d+")  # what models.fetch calls a record until it is whole
ABANDONED = 3600.0  # seconds after which nobody writes a temporary file of the cache any more


def of_run(directory: Path, samples: bool) -> Iterator[Found]:
    """Temporary files; with `samples` also the latents and features of cells that are finished.

    Results, logs, the report's images and those that a suite keeps stay. Whoever calls has the directory alone.
    """
    yield from each(LEFT, leftovers(directory))
    if samples:
        yield from samples_of(directory)


def samples_of(directory: Path) -> Iterator[Found]:
    """Shards of finished cells; those of the exact solution, which a model's cells share, when all are finished."""
    done = finished(directory)
    for model, slug in sorted(done):
        for kind in ("latents", "features", "batches"):
            yield from shards(directory / "samples" / model / slug / kind)
        yield from shards(directory / "images" / model / f"{slug}.parts")
    unfinished = {model for model, slug in read_stored_suite(directory / "suite.json", clip=False).cells
                  if (model, slug) not in done}  # fmt: skip
    for model in {model for model, _ in done} - unfinished:
        for folder in (directory / "exact" / model).glob("*/*"):
            yield from shards(folder)


def finished(directory: Path) -> set[Name]:
    """The cells that a run would not go on with: timed, or failed for good. Damaged ones are not among them."""
    states, done = States(directory / "cells"), set()
    for path in directory.glob("cells/*/*.json"):
        with contextlib.suppress(InputError, OSError):
            state = states.get(path) or State.of(read_stored(path))
            if state.is_timed or state.status != "ok":
                done.add((path.parent.name, path.stem))
    return done


def shards(folder: Path) -> Iterator[Found]:
    """The shards in a folder; whatever else lies there is somebody else's."""
    yield from each(SAMPLES, (path for path in sorted(folder.glob("*.safetensors")) if is_shard(path)))


def of_cache(directory: Path, everything: bool) -> Iterator[Found]:
    """Temporary files that nobody writes any more, and kept features beyond their limit.

    With `everything` all kept features, and all downloads: whoever calls has those alone. Files that were put there
    by hand stay.
    """
    old = (path for path in temporary(directory) if time.time() - path.lstat().st_mtime > ABANDONED)
    yield from each(LEFT, old)
    yield from kept.kept_features() if everything else kept.beyond(kept.limit())
    for download in downloads(directory) if everything else ():
        yield found("downloads" if download.is_whole else "downloads cut short", download.files, download.used)


def temporary(directory: Path) -> Iterator[Path]:
    """Files that were to be renamed once they are whole."""
    for path in chain(directory.rglob(".*.tmp"), directory.rglob(".*.json.*")):
        if TEMPORARY.fullmatch(path.name) or NOTE.fullmatch(path.name):
            yield path


def each(what: str, files: Iterator[Path]) -> Iterator[Found]:
    """Files that go one by one."""
    for path in files:
        with contextlib.suppress(OSError):
            yield found(what, [path])
