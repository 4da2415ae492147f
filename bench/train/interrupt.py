"""Ctrl-C waits for the end of the running step: a checkpoint of half a step would not resume exactly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed. A second one interrupts at once.

    SIGTERM, which torchrun and batch systems end a process with, and SIGHUP of a closed terminal count as well, however
    often they come. Each is ignored where it was before, as Ctrl-C is by a job in the background.
    """
    pressed = threading.Event()
    in_main = threading.current_thread() is threading.main_thread()  # no other thread may handle signals
    before = {number: signal.getsignal(number) for number in SENT if in_main}
    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]

    def note(number: int, _: object) -> None:
        pressed.set()
        if number == signal.SIGINT:
            signal.signal(number, before[signal.SIGINT])

    try:
        for number in taken:
            signal.signal(number, note)
        yield pressed.is_set
    finally:
        for number in taken:
            signal.signal(number, before[number])
