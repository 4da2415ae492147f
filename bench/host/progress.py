"""Progress on stderr: one moving line in a terminal, one line a finished cell elsewhere, both with an ETA."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

BAR = 20  # characters
T = TypeVar("T")


class Progress:
    """Cells have weights (their expected work); the remaining time is extrapolated from the weight done so far.

    `seconds` are of what follows when all cells are done and whose duration is known; it is no cell and not counted.
    """

    def __init__(
        self,
        weights: dict[str, float],
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        seconds: dict[str, float] | None = None,
    ) -> None:
        self.weights = weights
        self.seconds = dict(seconds or {})
        self.stream = stream or sys.stderr
        self.clock = clock
        self.started = clock()
        self.moving = self.stream.isatty()
        self.done: set[str] = set()
        self.running: dict[str, tuple[str, float]] = {}  # cell -> phase, fraction

    def line(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        print(text, file=self.stream, flush=True)

    def phase(self, cell: str, phase: str, fraction: float) -> None:
        """A running cell's phase and how much of the whole cell is done, 0..1."""
        self.running[cell] = (phase, fraction)
        self._redraw()

    def finish(self, cell: str, outcome: str) -> None:
        """A cell ended."""
        self.running.pop(cell, None)
        self.done.add(cell)
        self.line(f"[{len(self.done)}/{len(self.weights)}] {cell}: {outcome}{self._left()}")
        self._redraw()

    def follow(self, what: str, outcome: str) -> None:
        """One of the things that follow the cells ended."""
        self.running.pop(what, None)
        self.seconds.pop(what, None)
        self.line(f"{what}: {outcome}{self._left()}")
        self._redraw()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._clear()

    def remaining(self) -> float | None:
        """Seconds still to go; None before anything is known."""
        total = sum(self.weights.values())
        done = sum(self.weights[c] for c in self.done)
        done += sum(self.weights[c] * share for c, (_, share) in self.running.items() if c in self.weights)
        known = sum(seconds * (1 - self.running.get(what, ("", 0.0))[1]) for what, seconds in self.seconds.items())
        if done >= total:
            return known
        return known + (self.clock() - self.started) * (total - done) / done if done > 0 else None

    def _left(self) -> str:
        eta = self.remaining()
        more = len(self.done) < len(self.weights) or self.seconds
        return f", about {duration(eta)} left" if eta is not None and more else ""

    def _redraw(self) -> None:
        if not self.moving:
            return
        share = len(self.done) / max(1, len(self.weights))
        bar = "#" * round(BAR * share) + "." * (BAR - round(BAR * share))
        eta = self.remaining()
        now = "; ".join(f"{cell} {phase}" for cell, (phase, _) in self.running.items())
        text = f"[{bar}] {len(self.done)}/{len(self.weights)} {'' if eta is None else 'ETA ' + duration(eta)} {now}"
        width = shutil.get_terminal_size().columns - 1
        self.stream.write("\r" + text[:width].ljust(width))
        self.stream.flush()

    def _clear(self) -> None:
        if self.moving:
            self.stream.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self.stream.flush()


def counted(items: Iterable[T], total: int, what: str, size: Callable[[T], int] = lambda _: 1) -> Iterator[T]:
    """The items, together of size `total`; on stderr a moving line, outside a terminal one a minute, with an ETA."""
    moving, started = sys.stderr.isatty(), time.monotonic()
    done, said = 0, started
    for item in items:
        yield item
        done += size(item)
        now = time.monotonic()
        if now - said < (0.5 if moving else 60):
            continue
        said, left = now, (now - started) * (total - done) / done
        line = f"{what} {done:,}/{total:,}, about {duration(left)} left"
        print(f"\r\033[K{line}" if moving else line, end="" if moving else "\n", file=sys.stderr, flush=True)
    if moving and said > started:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """1.2 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
