"""A process's end with the process that started it, whatever either is at."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int | None = None) -> None:
    """From now on this process is killed when the one that started it ends, also where that was killed (Linux).

    At once, on any system, where that is over already: `parent` is its number, where it is known.
    """
    _at_its_end(signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def ending_with_parent(parent: int | None = None) -> Iterator[None]:
    """Within it, as `end_with_parent`."""
    end_with_parent(parent)
    yield
    _at_its_end(0)


def _at_its_end(sent: int) -> None:
    """Which signal the kernel sends then; 0: none. By a parent it means the very thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, sent)
