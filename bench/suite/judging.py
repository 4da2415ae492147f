"""By what settings are judged, and how much counts as no worse: a suite file's [verdict] table.

A suite states shares; what they are of, and what is said with them, is bench/judge/decision.py's. They are no part of
the protocol: the same results may be judged anew by others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from models.errors import InputError, expect_one_of

AXES = ("fd", "fd_own", "ode_error")  # quality, then the two that are called fidelity
MAX_SHARE = 1.0  # a setting twice as far off, or half as fast, is worse


@dataclass(frozen=True)
class Judging:
    """`quality` and `bound` of the reference's corrected distance, or of 1 for an error; `latency` of a latency.

    Within `quality` and `latency` two settings count as equal; the headline is at most `bound` above the reference.
    """

    axis: str = "fd"
    quality: float = 0.05
    latency: float = 0.02
    bound: float = 0.05

    def as_dict(self) -> dict[str, Any]:
        """As suite.json stores it."""
        return asdict(self)


DEFAULT = Judging()


def read(table: Any, where: str) -> Judging:
    """Of a [verdict] table; `bound` is `quality` unless stated. Raises InputError that starts with `where`."""
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table, got {table!r}")
    for key, value in table.items():
        expect_one_of(f"key in {where}", key, [f.name for f in fields(Judging)])
        if key == "axis":
            expect_one_of(f"value of 'axis' in {where}", value, AXES)
        elif not _is_share(value):
            raise InputError(f"{where}: '{key}' must be a share in [0, {MAX_SHARE:g}], got {value!r}")
    values = {key: value if key == "axis" else float(value) for key, value in table.items()}
    return Judging(**({"bound": values.get("quality", Judging.bound)} | values))


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_SHARE
