"""Others' code tried in a process of its own first: what ends or hangs it must not end or hang the run."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench import plugins
from bench.host.parent import end_with_parent

SECONDS = 60.0  # that importing one plugin, or building one of its methods, may take
THROUGH = "through"  # the last line of a process that came to its end, whether the code is broken or not
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ended:
    """How a process ended before it was through: what it had said last it was at, and why, in words."""

    at: str
    why: str


def broken(paths: Sequence[str], seconds: float = SECONDS) -> dict[str, str]:
    """Of the plugin files, those that end or hang the process that imports them, each with a one-line reason."""
    reasons = {}
    for path in paths:
        ended = tried(partial(_import, path), seconds)
        if ended is not None:
            why = ended.why.replace("the process", "the process that imported it", 1)
            reasons[path] = f"plugin {path} could not be loaded: {why}"
    return reasons


def _import(path: str, _: Say) -> None:
    plugins.load_file(path)


def tried(action: Callable[[Say], object], seconds: float = SECONDS) -> Ended | None:
    """Do it in a forked process, in silence; None where that comes to an end.

    `action` is given a function to say what it is at; between two lines it may take so many seconds. What it raises is
    no matter: it fails in the same way, and is told why, in the process that needs it.
    """
    ours, theirs = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    own = os.getpid()
    pid = os.fork()
    if not pid:
        _act(action, theirs, own)
    os.close(theirs)
    said, in_time = _heard(ours, seconds)
    os.close(ours)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if said and said[-1] == THROUGH:
        return None
    at = said[-1] if said else ""
    if not in_time:
        return Ended(at, f"{'its import' if not at else 'it'} took longer than {seconds:g} s")
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return Ended(at, f"the process {how}")


def _heard(pipe: int, seconds: float) -> tuple[list[str], bool]:
    """The lines that came until the end, and whether it came in time."""
    text, until = b"", time.monotonic() + seconds
    while not text.endswith(f"{THROUGH}\n".encode()):
        if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            return text.decode().splitlines(), False
        more = os.read(pipe, 4096)
        if not more:
            break
        text, until = text + more, time.monotonic() + seconds
    return text.decode().splitlines(), True


def _act(action: Callable[[Say], object], pipe: int, parent: int) -> None:
    """Do it and say so, in silence; never returns. It ends with its parent."""

    def say(line: str) -> None:
        os.write(pipe, f"{line}\n".encode())

    try:
        end_with_parent(parent)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        with contextlib.suppress(BaseException):
            action(say)
        say(THROUGH)
    finally:  # whatever happens: what called this is the parent's work
        os._exit(0)
