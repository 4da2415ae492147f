"""`--on NAME[:WORDS]`: which executor runs the jobs, and with what; `8`, `0,1,2`, `device=0`, `8,partition=gpu`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.suite.cells import Settings
from models.errors import InputError, expect_one_of

MAX_WORKERS = 4096


@dataclass(frozen=True)
class On:
    """What stands after `--on`. One number says how many workers, several say which devices."""

    name: str
    numbers: tuple[int, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int | None:
        """How many workers are wanted; None: as the executor thinks best."""
        return self.numbers[0] if len(self.numbers) == 1 else len(self.numbers) or None

    def or_else(self, options: Mapping[str, str]) -> On:
        """With these options where it states none of its own."""
        return replace(self, options={**options, **self.options})

    def expect_options(self, known: Collection[str]) -> None:
        """Raise InputError for an option that the executor does not know."""
        for key in self.options:
            if not known:
                raise InputError(f"--on {self.name}: takes numbers alone, got '{key}=…'")
            expect_one_of(f"--on {self.name}: option", key, known)

    def expect_count(self) -> None:
        """Raise InputError where devices are listed, which only makes sense on this machine."""
        if len(self.numbers) > 1:
            raise InputError(f"--on {self.name}: expected one number of workers, got {self.numbers}")


@dataclass(frozen=True)
class RunFacts:
    """What a run is, as far as another process needs it to do the same: paths and plain values."""

    suite: str  # a file
    sha256: str
    overrides: dict[str, dict[str, Any]]
    plugins: tuple[str, ...]
    settings: Settings
    directory: str
    broken: dict[str, str] = field(default_factory=dict)  # plugins that are not to be imported, and why


def parse(text: str) -> On:
    """Raises InputError, in one line, for what is no such text."""
    name, colon, rest = text.partition(":")
    numbers, options = [], {}
    for word in rest.split(",") if colon else ():
        key, sign, value = word.partition("=")
        if sign and key in options:
            raise InputError(f"--on {text}: {key} is given twice")
        if sign and key and value:
            options[key] = value
        elif word.isascii() and word.isdigit() and len(word) < 6:
            numbers.append(int(word))
        else:
            got = f"'{word}'" if word else "nothing between two of them, or at an end"
            raise InputError(f"--on {text}: expected numbers and KEY=VALUE separated by commas, got {got}")
    if len(set(numbers)) != len(numbers):
        raise InputError(f"--on {text}: a device is named twice")
    on = On(name, tuple(numbers), options)
    if len(numbers) == 1 and not 1 <= numbers[0] <= MAX_WORKERS:
        raise InputError(f"--on {text}: the number of workers must lie in [1, {MAX_WORKERS}]")
    return on
