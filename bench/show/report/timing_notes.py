"""How far the times of some cells can be trusted, in one sentence each: their rounds and warnings."""

import re
from collections import Counter
from collections.abc import Sequence

from bench.schema.cell import Cell, look_up

# What a warning of bench.measure.timing.speed says of one cell, and what it says of many. Stored results are text.
KINDS = (
    (r"the GEMM rate changed by", "the machine's GEMM rate moved by more than 5 %"),
    (r"times were still changing after", "the times had not settled when the warm-up ended"),
    (r"another process interfered in", "another process interfered in more than a tenth of the rounds"),
    (r"the GPU's clock changed or was throttled", "the GPU's clock changed or was throttled"),
    (r"the speed-up of .* cannot be told", "the speed-up cannot be told from 1"),
    (r"a method timed against itself differs", "a method timed against itself differed from itself"),
    (r"\d+ other process(es)? on the GPU", "another process was on the GPU"),
)
OTHER = "there was another reason"


def warned(cells: Sequence[Cell]) -> list[tuple[str, list[str]]]:
    """(method, its warnings) of the cells that have any."""
    return [(cell["method"], lines) for cell in cells if (lines := look_up(cell, "timing.warnings"))]


def warning_sentence(cells: Sequence[Cell]) -> str:
    """`59 of 80 cells carry a timing warning: in 55 the machine's GEMM rate …, in 9 …`; empty where none does."""
    timed = [cell for cell in cells if look_up(cell, "timing.latency_ms")]
    found = warned(timed)
    if not found:
        return ""
    counts = Counter(kind for _, lines in found for kind in {kind_of(line) for line in lines})
    order = sorted(counts, key=lambda kind: (kind == OTHER, -counts[kind], kind))
    kinds = ", ".join(f"in {counts[kind]} {kind}" for kind in order)
    cells_carry = f"{len(timed)} cell{'' if len(timed) == 1 else 's'} carr{'ies' if len(found) == 1 else 'y'}"
    return f"{len(found)} of {cells_carry} a timing warning: {kinds}."


def rounds_sentence(cells: Sequence[Cell]) -> str:
    """`Intervals of times stand on 5 to 21 rounds a cell.`; empty where no rounds are stored."""
    counts = sorted({len(rounds) for cell in cells if (rounds := look_up(cell, "timing.rounds"))})
    if not counts:
        return ""
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    few = "; with fewer than 20 they hold the true median in 88 to 96 % of simulated cases" if counts[0] < 20 else ""
    return f"Intervals of times are bootstrapped from {span} rounds a cell{few}."


def kind_of(line: str) -> str:
    """The kind of a stored warning, as KINDS says it of many cells."""
    return next((kind for pattern, kind in KINDS if re.match(pattern, line)), OTHER)
