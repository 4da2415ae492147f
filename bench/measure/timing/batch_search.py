"""The largest batch that fits: doubling, then bisection; a batch that does not fit is an answer, never the end."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

import torch

from bench.measure.memory import is_out_of_memory

LIMIT = 4096  # images
GRAIN = 8  # the answer is within 1/GRAIN of the largest that fits


class TooLarge(Exception):
    """A batch is not tried: `limit` says what it would exceed."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True)
class LargestFit:
    """`batch` is 0 where not even one image fits; `limit` is "memory", "seconds" or "images", what ended the search."""

    batch: int
    limit: str


def largest_batch(run: Callable[[int], object], max_batch: int = LIMIT) -> LargestFit:
    """The largest batch that `run(batch)` survives, at most `max_batch` images.

    `run` raises an out-of-memory error, or TooLarge; anything else that it raises comes through. Batches are
    tried 1, 2, 4, … and then between the last that fits and the first that does not.
    """
    fits = 0
    while fits < max_batch:
        batch = min(max(1, 2 * fits), max_batch)
        refused = _refused(run, batch)
        if refused:
            return _bisect(run, fits, batch, refused)
        fits = batch
    return LargestFit(fits, "images")


def _bisect(run: Callable[[int], object], fits: int, fails: int, limit: str) -> LargestFit:
    while fails - fits > max(1, fits // GRAIN):
        middle = (fits + fails) // 2
        refused = _refused(run, middle)
        if refused:
            fails, limit = middle, refused
        else:
            fits = middle
    return LargestFit(fits, limit)


def _refused(run: Callable[[int], object], batch: int) -> str | None:
    """Run a batch; what it would exceed, or None where it fits."""
    try:
        run(batch)
        return None
    except TooLarge as refusal:
        return refusal.limit
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return "memory"
    finally:
        release()


def release() -> None:
    """Hand memory back that only cycles and torch's own cache still hold."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
