"""What a suite asks of a SLURM cluster: its [slurm] table, which `--on slurm:KEY=VALUE` overrides key by key.

It is no part of the protocol: where cells are sampled changes no number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.errors import InputError, expect_one_of

OPTIONS = ("partition", "time", "account", "qos", "constraint", "memory")
MAX_MINUTES = 999_999


def read(table: Any, where: str) -> dict[str, str]:
    """The options as `--on` would state them, `time` in minutes. Raises InputError that starts with `where`."""
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table, got {table!r}")
    for key, value in table.items():
        expect_one_of(f"key in {where}", key, OPTIONS)
        if key == "time":
            require_minutes(str(value) if isinstance(value, int) else "", f"{where}: 'time'", value)
        elif not isinstance(value, str) or not value:
            raise InputError(f"{where}: '{key}' must be a string, got {value!r}")
    return {key: str(value) for key, value in table.items()}


def require_minutes(text: str, what: str, given: object) -> None:
    """Raise InputError where the text is not a whole number of minutes."""
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= MAX_MINUTES):
        raise InputError(f"{what} must be minutes in [1, {MAX_MINUTES}], got {given!r}")
