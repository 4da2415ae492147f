"""What is asked for: an error at most, a speed-up at least, or a Fréchet distance little above the reference's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.errors import InputError

ERROR, SPEEDUP, FD = "error", "speedup", "fd"
RANGES = {ERROR: (1e-6, 10.0), SPEEDUP: (1.0, 1000.0), FD: (0.0, 10.0)}


@dataclass(frozen=True)
class Goal:
    """`bound` is a relative L2 error, a ratio of times, or a fraction of the reference's distance: 0.05 is 5 %."""

    kind: str
    bound: float

    @property
    def option(self) -> str:
        """As the command line has it: `--error 0.05`."""
        return f"--{self.kind} " + (f"{100 * self.bound:g}%" if self.kind == FD else f"{self.bound:g}")

    @property
    def words(self) -> str:
        """What a setting has to be."""
        if self.kind == ERROR:
            return f"within an error of {self.bound:g} to the exact solution"
        if self.kind == SPEEDUP:
            return f"at least {self.bound:g} times as fast as the reference"
        return f"within a Fréchet distance {100 * self.bound:g} % above the reference's"


def read(stated: dict[str, str | None]) -> Goal:
    """The one goal that is stated, {"error": "0.05", ...}. Raises InputError for none, several, or one out of range."""
    given = {kind: word for kind, word in stated.items() if word is not None}
    options = ", ".join(f"--{kind}" for kind in RANGES)
    if len(given) != 1:
        named = " and ".join(f"--{kind}" for kind in given) or "none"
        raise InputError(f"choose: give exactly one goal of {options}, got {named}")
    ((kind, word),) = given.items()
    return Goal(kind, number(kind, word))


def number(kind: str, word: str) -> float:
    """The bound as a number; `5%` of a Fréchet distance is 0.05."""
    percent = kind == FD
    expected = "per cent, like 5%" if percent else "a number"
    if percent != word.endswith("%"):
        raise InputError(f"choose: --{kind} must be {expected}, got '{word}'")
    try:
        value = float(word.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        raise InputError(f"choose: --{kind} must be {expected}, got '{word}'") from None
    low, high = RANGES[kind]
    if not math.isfinite(value) or not low <= value <= high:
        shown = f"[{100 * low:g}%, {100 * high:g}%]" if percent else f"[{low:g}, {high:g}]"
        raise InputError(f"choose: --{kind} must lie in {shown}, got '{word}'")
    return value
