"""Python's search for objects that hold each other in a circle, spared what thousands of cells hold without any.

It walks through all of that again and again, which takes a fifth of a report's time.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def unsearched() -> Iterator[None]:
    """Within it nothing is searched: for what makes many objects and no circles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def known_sound() -> Iterator[None]:
    """Within it what is there already is not searched, but what comes is."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
