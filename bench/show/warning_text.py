"""What a warning's code and numbers say in words."""

from dataclasses import dataclass

from bench.schema import warnings
from bench.schema.warnings import Warned


@dataclass(frozen=True)
class Saying:
    """What a warning's code says of one cell, in which its numbers stand, and what it says of many."""

    one: str
    many: str


SAYINGS = {
    warnings.GEMM_RATE: Saying(
        "the GEMM rate changed by {percent:+.0f} % while the cell was timed",
        "the machine's GEMM rate moved by more than 5 %",
    ),
    warnings.UNSETTLED: Saying(
        "times were still changing after {rounds} rounds of warm-up", "the times had not settled when the warm-up ended"
    ),
    warnings.DISTURBED: Saying(
        "another process interfered in {rounds} of {of} rounds",
        "another process interfered in more than a tenth of the rounds",
    ),
    warnings.GPU_THROTTLED: Saying(
        "the GPU's clock changed or was throttled in {rounds} of {of} rounds",
        "the GPU's clock changed or was throttled",
    ),
    warnings.GPU_SHARED: Saying("{processes} other processes on the GPU", "another process was on the GPU"),
    warnings.UNRESOLVED: Saying(
        "the speed-up of {low:.3g} to {high:.3g} cannot be told from that of a method to itself",
        "the speed-up cannot be told from 1",
    ),
    warnings.SAME_DIFFERS: Saying(
        "a method timed against itself differs from itself: {low:.3g} to {high:.3g}",
        "a method timed against itself differed from itself",
    ),
    warnings.OTHER: Saying("another reason", "there was another reason"),
}


def warning_text(warned: Warned) -> str:
    """A warning of one cell in words; older results have them already."""
    if warned.text:
        return warned.text
    text = SAYINGS[warned.code].one.format(**warned.numbers)
    return text.replace("processes", "process") if warned.numbers.get("processes") == 1 else text
