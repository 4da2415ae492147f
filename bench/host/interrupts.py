"""Ctrl-C in a terminal reaches all that is in its foreground, and is the business of one process there."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def put_off(sent: signal.Signals = signal.SIGINT) -> Iterator[None]:
    """Within it a signal waits; who is started within it never hears of it, unless it wants to (`never_hear`).

    A Python process would answer with a traceback in the terminal while it starts.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {sent})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def never_hear(sent: signal.Signals = signal.SIGINT) -> None:
    """In a process that was started with the signal put off: ignore it, so that what it starts may choose anew."""
    signal.signal(sent, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {sent})
