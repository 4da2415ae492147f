"""A network file system that is away for a minute costs that minute, not the run."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE, PAUSE = 120.0, 1.0  # seconds: how long it may be away; between two attempts
AWAY = frozenset(
    (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET, errno.ECONNREFUSED, errno.EHOSTDOWN,
     errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH)
)  # fmt: skip


def patiently(action: Callable[[], T]) -> T:
    """What `action` returns, tried again while a file system is away. Raises its OSError after PATIENCE s."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except OSError as error:
            if error.errno not in AWAY or time.monotonic() > end:
                raise
        time.sleep(PAUSE)
