"""What a process of ours started, however deep and in whatever session, ends with it (Linux).

For a process that is ours alone, as a command or a worker is: nobody else has started anything below it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

PR_SET_CHILD_SUBREAPER = 36
LOOKS, PAUSE = 500, 0.02  # how often is looked for them at most, as they may start others; seconds between


def adopt() -> None:
    """From now on orphans below this process become its children, also those in a session of their own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def leave(code: int) -> NoReturn:
    """End this process with all that is below it, after its exit functions, and whatever its threads still do."""
    end_workers()
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):  # nobody reads any more
        sys.stdout.flush()
        sys.stderr.flush()
    end_all()
    os._exit(code)


def end_workers() -> None:
    """Kill the processes for which multiprocessing's own exit function would wait: an open pool's, for ever."""
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing else ():
        child.kill()


def end_all() -> None:
    """Kill all that is below this process, but for multiprocessing's servers, which end by themselves."""
    for _ in range(LOOKS if has_children() else 0):
        found = below(os.getpid())
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)


def has_children() -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    return False


def below(pid: int) -> list[int]:
    """Descendants that run, without this process's servers."""
    children: dict[int, list[int]] = {}
    over = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # gone meanwhile
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            children.setdefault(int(parent), []).append(int(folder.name))
            over |= {int(folder.name)} if state in ("Z", "X") else set()
    spared = over | servers()
    found, next_ones = [], children.get(pid, [])
    while next_ones:
        found += next_ones
        next_ones = [one for parent in next_ones for one in children.get(parent, ())]
    return [one for one in found if one not in spared]


def servers() -> set[int | None]:
    """The processes of multiprocessing's that serve this one."""
    from multiprocessing import forkserver, resource_tracker

    return {forkserver._forkserver._forkserver_pid, resource_tracker._resource_tracker._pid}  # type: ignore[attr-defined]
