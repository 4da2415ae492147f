"""The marks of a stored plan: one character a branch of an evaluation, its name and what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """`name` is also its class in pages, and the gate's word for it."""

    character: str
    name: str
    meaning: str


COMPUTED, REUSED, SKIPPED, OFFSET, PARTIAL = (
    Mark("#", "computed", "computed"),
    Mark(".", "reused", "reused: the branch's own output"),
    Mark("s", "skipped", "skipped: hidden state kept"),
    Mark("o", "offset", "skipped: residual offset kept"),
    Mark("+", "partial", "reused: some tokens or images computed"),
)
MARKS = {mark.character: mark for mark in (COMPUTED, REUSED, SKIPPED, OFFSET, PARTIAL)}
LEGEND = "   ".join(f"{mark.character} {mark.meaning}" for mark in MARKS.values())
