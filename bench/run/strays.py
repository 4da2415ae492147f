"""What a method started and left behind, in a session of its own where no group's end reaches it: found and ended.

All that descends from the fork server has the server's environment, and in it the run's mark. Whoever made the mark may
be killed, so a watcher, a small process that outlives it, ends what has the mark: this very file, run as a script.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

MARK = "DITBENCH_RUN"
OVER = b"over\n"  # said to the watcher by a run that has ended its strays itself
LOOKS, PAUSE = 500, 0.02  # how often strays are looked for at most, as they may start others; seconds between
AGAIN = 2  # looks in a row that find nothing, before it is believed: a program that just starts has no environment yet
LATE = 50  # the same after a kill, as that may fall between a fork and the start of the program that gets the mark


def mark() -> str:
    """This process's own mark, which every process that is started from now on has in its environment.

    One that it has of a run above it is that run's, whose processes are not ours to end.
    """
    own = f"{os.getpid()}-"
    if not os.environ.get(MARK, "").startswith(own):
        os.environ[MARK] = own + uuid.uuid4().hex
    return os.environ[MARK]


def maker() -> int | None:
    """The process that made the mark which this one has; None without a mark."""
    made, _, _ = os.environ.get(MARK, "").partition("-")
    return int(made) if made else None


class Watcher:
    """Ends all of this process's mark when this process is killed; its strays alone when it is closed.

    On Linux, where /proc tells a process's environment; elsewhere it does nothing.
    """

    def __init__(self) -> None:
        self.marked = mark()
        self.process: subprocess.Popen[bytes] | None = None
        if sys.platform == "linux":
            unmarked = {name: value for name, value in os.environ.items() if name != MARK}
            words = [sys.executable, "-I", "-S", __file__, self.marked]  # nothing but Python: about 15 ms and 10 MB
            quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen(words, env=unmarked, start_new_session=True, cwd="/", **quiet)  # type: ignore[call-overload]

    def close(self) -> None:
        """Return when all are ended but this process's own children. To be called where no job is at work any more."""
        if self.process is not None and self.process.stdin is not None and not self.process.stdin.closed:
            end_strays(self.marked, spared=os.getpid())
            with contextlib.suppress(OSError):  # it was killed itself
                self.process.stdin.write(OVER)
                self.process.stdin.close()
            self.process.wait()


def watch(marked: str) -> None:
    """Be the watcher: wait until the pipe is closed, and end what has the mark unless the run said that it is over.

    The pipe of a killed process is closed before its children are another's, so none is spared as its child.
    """
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for the run, which ends in its own way
        signal.signal(sent, signal.SIG_IGN)
    if sys.stdin.buffer.read() != OVER:
        end_strays(marked, looks=LATE)


def end_strays(marked: str, spared: int | None = None, looks: int = AGAIN) -> None:
    """Kill all that has this mark, but the children of `spared`: its servers.

    Returns when none was found in so many looks in a row.
    """
    unseen = 0
    for _ in range(LOOKS):
        strays = [pid for pid, parent in _marked(f"{MARK}={marked}".encode()) if parent != spared]
        unseen = 0 if strays else unseen + 1
        if unseen == looks:
            return
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)


def _marked(words: bytes) -> Iterator[tuple[int, int]]:
    """(process, its parent) of all that have the words in their environment; one that has ended has none."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # not ours, or gone meanwhile
            if words in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])


if __name__ == "__main__":
    watch(sys.argv[1])
