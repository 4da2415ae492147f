"""Signals that end work: which process hears them, and that it ends in order, with all that it started."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Handler = Callable[[int, Any], object]


@contextlib.contextmanager
def handled(sent: Iterable[signal.Signals], handler: Handler) -> Iterator[dict[signal.Signals, Any]]:
    """Within it `handler` answers those signals that were not ignored before; yields who answered these until then.

    A job in the background ignores Ctrl-C, one under nohup SIGHUP. Nothing is changed outside the main thread, where
    Python allows no handlers.
    """
    in_main = threading.current_thread() is threading.main_thread()
    known = {number: signal.getsignal(number) for number in sent if in_main}
    before = {number: own for number, own in known.items() if own not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, handler)
        yield before
    finally:
        for number, own in before.items():
            signal.signal(number, own)


@contextlib.contextmanager
def ends_cleanly() -> Iterator[None]:
    """Within it SIGTERM and a closed terminal end the work as Ctrl-C does: all is ended, what is finished is kept.

    The first one counts; batch systems send several, and the next must not break off what ends there.
    """

    def interrupt(*_: object) -> None:
        for number in taken:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    with handled((signal.SIGTERM, signal.SIGHUP), interrupt) as taken:
        yield


@contextlib.contextmanager
def put_off(sent: signal.Signals = signal.SIGINT) -> Iterator[None]:
    """Within it a signal waits; who is started within it never hears of it, unless it wants to (`never_hear`).

    Ctrl-C in a terminal reaches all that is in its foreground, and is the business of one process there. Another
    Python process would answer with a traceback while it starts.
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
