"""The processes of a run, however deep and wherever they went: all that have a mark in their environment (Linux)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MARK = "DITBENCH_BROKEN_RUN"


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    words: tuple[str, ...]  # of its command line


def marked(mark: str) -> dict[int, Process]:
    """Those that are there and not over."""
    sought, found = f"{MARK}={mark}".encode(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # gone meanwhile, or another user's
            if sought in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                found[int(folder.name)] = Process(int(folder.name), parent, tuple(words))
    return found


def workers(mark: str) -> list[int]:
    """The processes of cells, which are children of a fork server, and workers elsewhere that take orders."""
    there = marked(mark)

    def forked(pid: int) -> bool:
        """Whether it is a fork server, or descends from one without a program of its own."""
        return pid in there and any("multiprocessing.forkserver" in word for word in there[pid].words)

    def is_cell(process: Process) -> bool:
        return forked(process.pid) and forked(process.parent) and not forked(there[process.parent].parent)

    def takes_orders(process: Process) -> bool:
        return "bench.run.remote" in process.words and process.words[0] != "env"

    return [process.pid for process in there.values() if is_cell(process) or takes_orders(process)]


def seconds_until(condition: Callable[[], bool], limit: float) -> float | None:
    """How long it took until this held; None where it did not in time."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > limit:
            return None
        time.sleep(0.05)
    return time.monotonic() - started
