"""What a run does itself with others' methods and extractors, rehearsed: they are built before any cell is at work."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import torch

import methods
import models
from bench import engines, plugins
from bench.host.notice import say as tell
from bench.quality import extractors
from bench.run import probe, strays
from bench.suite import file as suite
from bench.suite.cells import Cell
from models.errors import InputError

ROOMS = {"method": methods, "engine": engines, "features": extractors}
MAX_FAULTS = 1000


def prepared(
    name: str, files: list[str], overrides: dict[str, dict[str, Any]] | None
) -> tuple[suite.Suite, list[str], dict[str, str]]:
    """The suite of that name, those of the plugin files that can be imported, and what is broken; it goes to stderr.

    Cells of what is broken fail with that reason when they run. Raises InputError as suite.load.
    """
    strays.mark()  # also of what a plugin starts while it is imported
    broken = probe.broken(files)
    sound = [file for file in files if file not in broken]
    broken |= plugins.load(sound)
    if sound:
        take_out(name, broken, overrides or {})
    for reason in broken.values():
        tell(reason)
    return suite.load(name, broken, overrides), sound, broken


def forget(broken: Mapping[str, str]) -> None:
    """In a worker that has imported the plugins: make unknown what the driver found broken."""
    for who in broken:
        for room in ROOMS.values():
            room.forget(who)


def take_out(
    name: str, broken: dict[str, str], overrides: dict[str, dict[str, Any]], seconds: float = probe.SECONDS
) -> None:
    """Make methods and extractors unknown that end or hang the process that builds them; `broken` learns the reasons.

    Raises InputError where something that is nobody's plugin does so.
    """
    for _ in range(MAX_FAULTS):
        ended = probe.tried(lambda say: rehearse(name, broken, overrides, say), seconds)
        if ended is None:
            return
        kind, _, who = ended.at.partition(" ")
        if kind not in ROOMS or not ROOMS[kind].forget(who):
            raise InputError(f"suite '{name}': building {ended.at or 'its cells'}: {ended.why}")
        broken[who] = f"{kind} '{who}' cannot be built: {ended.why}"


def rehearse(name: str, broken: Mapping[str, str], overrides: dict[str, dict[str, Any]], say: probe.Say) -> None:
    """All that the run's own process does with a suite's methods and extractors; nothing is kept."""
    torch.set_num_threads(1)  # a forked process has none of the others
    chosen = suite.load(name, dict(broken), overrides, say)
    for cell in chosen.cells:
        if cell.broken is None:
            for part in filter(None, (cell.sampler, cell.cache)):
                say(f"method {part.name}" if cell.engine == engines.OURS else f"engine {cell.engine}")
                with contextlib.suppress(Exception):
                    _ = part.method.files(cell.model, cell.sampler.method) if hasattr(part.method, "files") else None
    for features in sorted({str(features_of(cell)) for cell in chosen.cells if cell.broken is None}):
        if features in extractors.names() and not extractors.is_shipped(features):
            say(f"features {features}")
            with contextlib.suppress(Exception):
                extractors.build(features)


def features_of(cell: Cell) -> str | None:
    """By what the cell's samples are judged."""
    return cell.protocol.quality.features or models.spec(cell.model).features
