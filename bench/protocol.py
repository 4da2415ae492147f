"""The rules that must be equal for two numbers to stand in one column. docs/protocol.md says why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from models.errors import InputError, expect_one_of

VERSION = "1"  # part of every result; results of different versions are never compared


@dataclass(frozen=True)
class Timing:
    """How long and how often a cell is timed."""

    batch: int = 8  # images in one timed trajectory
    rounds: int = 20  # most rounds; in each the method and its baseline run in random order
    seconds: float = 10.0  # measuring stops after this long, once the fewest rounds are done


@dataclass(frozen=True)
class Protocol:
    """What one suite fixes for all of its cells."""

    samples: int = 256
    seed: int = 0  # sample i has noise from its own generator seeded seed + i
    sampling_batch: int = 64
    timeout: float = 1800.0  # seconds that one cell may take, waiting for a quiet machine not counted
    timing: Timing = Timing()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


LIMITS: dict[str, tuple[float, float]] = {  # lowest and highest value of every key
    "samples": (32, 10_000_000),  # one for each jackknife group
    "seed": (0, 2**53),  # integers that JSON keeps exactly
    "sampling_batch": (1, 100_000),
    "timeout": (0.1, 30 * 86400),
    "batch": (1, 100_000),
    "rounds": (2, 100_000),
    "seconds": (0.0, 86400),
}


def read(table: dict[str, Any], where: str) -> Protocol:
    """The protocol of a suite file's [protocol] table. Raises InputError that starts with `where`."""
    values = dict(table)
    timing = values.pop("timing", {})
    if not isinstance(timing, dict):
        raise InputError(f"{where}: 'timing' must be a table, got {timing!r}")
    for key in values:
        expect_one_of(f"key in {where}", key, [f.name for f in fields(Protocol)])
    checked = {key: _number(Protocol, key, value, where) for key, value in values.items()}
    return Protocol(**checked, timing=_timing(timing, f"{where}.timing"))


def _timing(table: dict[str, Any], where: str) -> Timing:
    for key in table:
        expect_one_of(f"key in {where}", key, [f.name for f in fields(Timing)])
    return Timing(**{key: _number(Timing, key, value, where) for key, value in table.items()})


def _number(owner: type, key: str, value: Any, where: str) -> Any:
    wanted = type(getattr(owner, key))
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise InputError(f"{where}: '{key}' must be {wanted.__name__}, got {value!r}")
    low, high = LIMITS[key]
    if not low <= value <= high:
        raise InputError(f"{where}: '{key}' must lie in [{low:g}, {high:g}], got {value!r}")
    return value
