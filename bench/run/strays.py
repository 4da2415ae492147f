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
LOOKS, PAUSE = 100, 0.02  # how often strays are looked for at most, as they may start others; seconds between


def mark() -> str:
    """This process's own mark, which every process that is started from now on has in its environment.

    One that it has of a run above it is that run's, whose processes are not ours to end.
    """
    own = f"{os.getpid()}-"
    if not os.environ.get(MARK, "").startswith(own):
        os.environ[MARK] = own + uuid.uuid4().hex
    return os.environ[MARK]


class Watcher:
    """Ends the strays of this process's mark when it is closed, or when this process ends, be it by SIGKILL.

    On Linux, where /proc tells a process's environment; elsewhere it does nothing.
    """

    def __init__(self) -> None:
        marked = mark()
        self.process: subprocess.Popen[bytes] | None = None
        if sys.platform == "linux":
            unmarked = {name: value for name, value in os.environ.items() if name != MARK}
            words = [sys.executable, "-I", "-S", __file__, marked]  # nothing but Python: about 15 ms and 10 MB
            quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen(words, env=unmarked, start_new_session=True, cwd="/", **quiet)  # type: ignore[call-overload]

    def close(self) -> None:
        """Return when all are ended. To be called where no job is at work any more."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait()


def end_strays(marked: str) -> None:
    """Kill all that has this mark, but the children of the process that made it while that is there: the servers."""
    maker = int(marked.partition("-")[0])
    for _ in range(LOOKS):
        strays = [pid for pid, parent in _marked(f"{MARK}={marked}".encode()) if parent != maker]
        if not strays:
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
    sys.stdin.buffer.read()  # until the other end of this pipe is closed, or its process is gone
    end_strays(sys.argv[1])
