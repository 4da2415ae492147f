"""What a method started and left behind, in a session of its own where no group's end reaches it: found and ended.

All that descends from the fork server has the server's environment, and in it the run's mark. Of these, whoever has no
living worker above it any more is a stray.
"""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

MARK = "DITBENCH_RUN"


def mark() -> str:
    """This process's own mark, which every process that is started from now on has in its environment.

    One that it has of a run above it is that run's, whose processes are not ours to end.
    """
    own = f"{os.getpid()}-"
    if not os.environ.get(MARK, "").startswith(own):
        os.environ[MARK] = own + uuid.uuid4().hex
    return os.environ[MARK]


def end_strays(marked: str, workers: Collection[int]) -> list[int]:
    """Kill the strays of this mark; returns them. `workers` are alive; this process's own children are servers."""
    parents = dict(_marked(f"{MARK}={marked}".encode()))
    strays = [pid for pid, parent in parents.items() if parent != os.getpid() and not _below(pid, parents, workers)]
    for pid in strays:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return strays


def _marked(words: bytes) -> Iterator[tuple[int, int]]:
    """(process, its parent) of all that have the words in their environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # not ours, or gone meanwhile
            if words in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])


def _below(pid: int, parents: dict[int, int], workers: Collection[int]) -> bool:
    """Whether a process is one of the workers, or descends from one."""
    while pid in parents:
        if pid in workers:
            return True
        pid = parents[pid]
    return False
