"""Reasons to distrust a cell's times: a code, and how far it was off. Sentences are made where they are shown.

They stand in `timing.flags`. Results written before there were codes have sentences, in `timing.warnings`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GPU_SHARED = "gpu-shared"
GPU_THROTTLED = "gpu-throttled"
DISTURBED = "rounds-disturbed"
UNSETTLED = "warm-up-unsettled"
GEMM_RATE = "gemm-rate-changed"
UNRESOLVED = "speedup-unresolved"
SAME_DIFFERS = "aa-differs"
OTHER = "other"
# Every code and the numbers that belong to it: counts, ends of intervals, per cent.
NUMBERS: dict[str, tuple[str, ...]] = {
    GPU_SHARED: ("processes",),
    GPU_THROTTLED: ("rounds", "of"),
    DISTURBED: ("rounds", "of"),
    UNSETTLED: ("rounds",),
    GEMM_RATE: ("percent",),
    UNRESOLVED: ("low", "high"),
    SAME_DIFFERS: ("low", "high"),
}
# How the sentences begin of results written before there were codes.
_SENTENCES = {
    r"\d+ other process(es)? on the GPU": GPU_SHARED,
    r"the GPU's clock changed or was throttled": GPU_THROTTLED,
    r"another process interfered in": DISTURBED,
    r"times were still changing after": UNSETTLED,
    r"the GEMM rate changed by": GEMM_RATE,
}


@dataclass(frozen=True)
class Warned:
    """A warning with the numbers that belong to its code; `text` is the sentence of an older result."""

    code: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    text: str = ""


def warnings_of(timing: Mapping[str, Any]) -> list[Warned]:
    """A timing's flags; its sentences where it is of before there were flags."""
    if timing.get("flags") is None:
        return [Warned(code_of(line), text=line) for line in timing.get("warnings") or ()]
    return [Warned(flag["code"], {k: v for k, v in flag.items() if k != "code"}) for flag in timing["flags"]]


def code_of(sentence: str) -> str:
    """What an older result's sentence says."""
    return next((code for pattern, code in _SENTENCES.items() if re.match(pattern, sentence)), OTHER)


def warnings_problem(timing: Mapping[str, Any]) -> str | None:
    """The first thing wrong with a timing's warnings, or None."""
    if any(not isinstance(line, str) for line in timing.get("warnings") or ()):
        return "timing.warnings must hold strings"
    flags = timing.get("flags")
    if not isinstance(flags, list | None):
        return "timing.flags must be a list"
    return next(filter(None, map(_flag_problem, flags or ())), None)


def _flag_problem(flag: Any) -> str | None:
    if not isinstance(flag, dict) or flag.get("code") not in NUMBERS:
        return f"timing.flags must hold objects with a code of: {', '.join(NUMBERS)}"
    names = {*NUMBERS[flag["code"]], *flag} - {"code"}
    wrong = sorted(n for n in names if isinstance(flag.get(n), bool) or not isinstance(flag.get(n), int | float))
    return f"timing.flags: {flag['code']} must have numbers {', '.join(wrong)}" if wrong else None
