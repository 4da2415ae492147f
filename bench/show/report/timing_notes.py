"""How far the times of some cells can be trusted, in one sentence each: their rounds and warnings."""

from collections import Counter
from collections.abc import Sequence

from bench.schema.warnings import OTHER
from bench.show.warning_text import SAYINGS, warning_text
from bench.store.stored_cell import StoredCell


def warned(cells: Sequence[StoredCell]) -> list[tuple[str, list[str]]]:
    """(method, its warnings in words) of the cells that have any."""
    return [(cell.method, [*map(warning_text, cell.timing.warnings)]) for cell in cells if cell.timing.warnings]


def warning_sentence(cells: Sequence[StoredCell]) -> str:
    """`59 of 80 cells carry a timing warning. In 55 the machine's GEMM rate …. In 9 ….`; empty where none does."""
    timed = [cell for cell in cells if cell.timing.latency_ms]
    codes = [{warning.code for warning in cell.timing.warnings} for cell in timed if cell.timing.warnings]
    if not codes:
        return ""
    counts = Counter(code for own in codes for code in own)
    order = sorted(counts, key=lambda code: (code == OTHER, -counts[code], SAYINGS[code].many))
    kinds = " ".join(f"In {counts[code]} {SAYINGS[code].many}." for code in order)
    cells_carry = f"{len(timed)} cell{'' if len(timed) == 1 else 's'} carr{'ies' if len(codes) == 1 else 'y'}"
    return f"{len(codes)} of {cells_carry} a timing warning. {kinds}"


def rounds_sentence(cells: Sequence[StoredCell]) -> str:
    """`Intervals of times stand on 5 to 21 rounds a cell.`; empty where no rounds are stored."""
    counts = sorted({len(cell.timing.rounds) for cell in cells if cell.timing.rounds})
    if not counts:
        return ""
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    processes = {len(set(cell.timing.rounds.processes)) for cell in cells if cell.timing.rounds}
    if min(processes) > 1:  # a session: the difference between processes is in the interval (docs/protocol.md)
        return f"Intervals of times stand on {span} rounds a cell in {max(processes)} processes."
    few = " With fewer than 20 they hold the true median in 88 to 96 % of simulated cases." if counts[0] < 20 else ""
    return f"Intervals of times are bootstrapped from {span} rounds a cell.{few}"
