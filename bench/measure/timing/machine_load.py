"""What else the machine did while a round ran: load, processor time, preemption."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass

# A busy thread with a core to itself is preempted by the kernel's own work about ten times a second; one that
# shares its core loses it at every slice of the scheduler, more than a hundred times a second.
PREEMPTIONS_PER_SECOND = 50
PREEMPTIONS_ALWAYS = 5  # however short the round
BUSY = 0.9  # least processor time per wall time of one computing thread


@dataclass(frozen=True)
class Usage:
    """Counters of this process, all threads, since its start; differences of two are what counts."""

    process_ns: int
    preemptions: int | None  # involuntary context switches; None where the system does not count them


class Machine:
    """The machine that runs this process. Tests put another in its place."""

    def load(self) -> float | None:
        """Runnable processes, averaged over a minute; None where the system does not say."""
        return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None

    def usage(self) -> Usage:
        """This process's counters now."""
        return Usage(time.process_time_ns(), _preemptions())


def interfered(before: Usage, after: Usage, wall_ns: int, *, computes: bool = True) -> bool:
    """Whether something else took processor time from a round of `wall_ns`.

    `computes` is False where the process waits for a device, and its processor time says nothing.
    """
    if computes and after.process_ns - before.process_ns < BUSY * wall_ns:
        return True
    if before.preemptions is None or after.preemptions is None:
        return False
    allowed = PREEMPTIONS_ALWAYS + PREEMPTIONS_PER_SECOND * wall_ns / 1e9
    return after.preemptions - before.preemptions > allowed


def _preemptions() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
