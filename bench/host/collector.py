"""Python's garbage collector, kept from walking through thousands of cells, which hold no circles, again and again."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def gc_off() -> Iterator[None]:
    """Within it nothing is collected: for what makes many objects and no circles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
