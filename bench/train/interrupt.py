"""Ctrl-C waits for the end of the running step: a checkpoint of half a step would not resume exactly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed. A second one interrupts at once.

    SIGTERM, which torchrun and batch systems end a process with, counts as well, however often it comes.
    """
    pressed = threading.Event()
    before, before_term = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    in_main = threading.current_thread() is threading.main_thread()  # no other thread may handle signals
    if not (in_main and callable(before)):  # background jobs ignore Ctrl-C, and go on ignoring it
        yield pressed.is_set
        return

    def note(number: int, _: object) -> None:
        pressed.set()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, before_term)
