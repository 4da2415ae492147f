"""Ctrl-C waits for the end of the running step: a checkpoint of half a step would not resume exactly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.host.interrupts import handled

SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed. A second one interrupts at once.

    SIGTERM, which torchrun and batch systems end a process with, and SIGHUP of a closed terminal count as well, however
    often they come. Each is ignored where it was before, as Ctrl-C is by a job in the background.
    """
    pressed = threading.Event()

    def note(number: int, _: object) -> None:
        pressed.set()
        if number == signal.SIGINT:
            signal.signal(number, before[signal.SIGINT])

    with handled(SENT, note) as before:
        yield pressed.is_set
