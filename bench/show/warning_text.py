"""What a warning's code and numbers say in words."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.schema.warnings import GEMM_RATE, INTERFERED, OTHER_PROCESSES, THROTTLED, UNKNOWN, UNSETTLED, Warned


@dataclass(frozen=True)
class Saying:
    """What a warning's code says of one cell, from its numbers, and what it says of many."""

    one: Callable[[Warned], str]
    many: str


SAYINGS = {
    GEMM_RATE: Saying(
        lambda w: f"the GEMM rate changed by {w.percent:+.0f} % while the cell was timed",
        "the machine's GEMM rate moved by more than 5 %",
    ),
    UNSETTLED: Saying(
        lambda w: f"times were still changing after {w.count} rounds of warm-up",
        "the times had not settled when the warm-up ended",
    ),
    INTERFERED: Saying(
        lambda w: f"another process interfered in {w.count} of {w.of} rounds",
        "another process interfered in more than a tenth of the rounds",
    ),
    THROTTLED: Saying(
        lambda w: f"the GPU's clock changed or was throttled in {w.count} of {w.of} rounds",
        "the GPU's clock changed or was throttled",
    ),
    OTHER_PROCESSES: Saying(
        lambda w: f"{w.count} other process{'' if w.count == 1 else 'es'} on the GPU",
        "another process was on the GPU",
    ),
    UNKNOWN: Saying(lambda w: w.text, "there was another reason"),
}


def warning_text(warned: Warned) -> str:
    """A warning of one cell in words; older results have them already."""
    return warned.text or SAYINGS[warned.code].one(warned)
