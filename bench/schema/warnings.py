"""Reasons to distrust a cell's times: a code, and how far it was off. Sentences are made where they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

OTHER_PROCESSES = "other_processes_on_gpu"  # count: how many
THROTTLED = "gpu_clock_changed"  # or throttled; count, of: rounds
INTERFERED = "another_process_interfered"  # count, of: rounds
UNSETTLED = "times_not_settled"  # count: rounds of warm-up
GEMM_RATE = "gemm_rate_changed"  # percent: signed
UNKNOWN = "unknown"  # text
CODES = (OTHER_PROCESSES, THROTTLED, INTERFERED, UNSETTLED, GEMM_RATE, UNKNOWN)

# How the sentences begin of results written before there were codes.
_SENTENCES = {
    r"\d+ other process(es)? on the GPU": OTHER_PROCESSES,
    r"the GPU's clock changed or was throttled": THROTTLED,
    r"another process interfered in": INTERFERED,
    r"times were still changing after": UNSETTLED,
    r"the GEMM rate changed by": GEMM_RATE,
}
_TYPES: dict[str, tuple[type, ...]] = {"count": (int,), "of": (int,), "percent": (int, float), "text": (str,)}


@dataclass(frozen=True)
class Warned:
    """A warning with the numbers that belong to its code. `text`: the sentence of an older result."""

    code: str
    count: int | None = None
    of: int | None = None
    percent: float | None = None
    text: str = ""

    def stored(self) -> dict[str, Any]:
        """As results hold it: what does not belong to the code is left out."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in (None, "")}


def read_warning(stored: str | Mapping[str, Any]) -> Warned:
    """A stored warning: an object with a code of CODES, or the sentence of an older result."""
    if not isinstance(stored, str):
        return Warned(**{f.name: stored[f.name] for f in fields(Warned) if stored.get(f.name) is not None})
    code = next((code for pattern, code in _SENTENCES.items() if re.match(pattern, stored)), UNKNOWN)
    return Warned(code, text=stored)


def warning_problem(stored: Any) -> str | None:
    """Why a stored warning is none, or None."""
    if isinstance(stored, str):
        return None
    if not isinstance(stored, dict) or "code" not in stored:
        return "timing.warnings must hold strings or objects with a code"
    if stored.get("code") not in CODES:
        return f"timing.warnings has the code {str(stored.get('code'))[:60]!r}, expected one of: {', '.join(CODES)}"
    for name, types in _TYPES.items():
        value = stored.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, types)):
            return f"timing.warnings: {name} has the wrong type: {str(value)[:60]!r}"
    return None
