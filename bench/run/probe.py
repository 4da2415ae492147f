"""Plugins tried in a process of their own first: what ends or hangs at import must not end or hang the run."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence

from bench import plugins

SECONDS = 60.0  # that importing one plugin may take
LOADED = b"."  # what the process says when it is done, whether the plugin is broken or not


def broken(paths: Sequence[str], seconds: float = SECONDS) -> dict[str, str]:
    """Of the plugin files, those that end or hang the process that imports them, each with a one-line reason."""
    reasons = {path: why for path in paths if (why := _why_broken(path, seconds))}
    return {path: f"plugin {path} could not be loaded: {why}" for path, why in reasons.items()}


def _why_broken(path: str, seconds: float) -> str:
    """Empty where the import comes to an end; whether it also succeeds is for the process that needs it."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _load(path, theirs)
    os.close(theirs)
    said = os.read(ours, 1) if select.select([ours], [], [], seconds)[0] else None
    os.close(ours)
    if said is None:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if said is None:
        return f"its import took longer than {seconds:g} s"
    if said == LOADED:
        return ""
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"the process that imported it {how}"


def _load(path: str, pipe: int) -> None:
    """Import a plugin and say so, in silence; never returns."""
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        plugins.load_file(path)
    except BaseException:  # it fails in the same way, and is told why, where it is needed
        pass
    os.write(pipe, LOADED)
    os._exit(0)
