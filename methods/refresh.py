"""When methods with an interval compute everything: three published ways to place the refreshes.

Over E evaluations, k = 0 first, with interval N:

* `unshifted`: k % N = 0 (DeepCache; "cache 2, 4, 6, …" counted from 1 with N = 2).
* `shifted`: k = 0 or k % N = 1, so that two refreshes begin the trajectory (the L2C paper, section 4.1: "3, 5, 7, …").
  With a solver of two evaluations a step the reused ones then are the first of their step, whose midpoint is computed.
* `from-end`: k = 0 or (E - 1 - k) % N = 0, so that the last evaluation is computed (FORA's code). With N = 2 it is
  `shifted` for an even number of evaluations and `unshifted` for an odd one.
"""

from __future__ import annotations

from methods.method import Parameter

UNSHIFTED, SHIFTED, FROM_END = "unshifted", "shifted", "from-end"


def interval_parameter(required: bool = True) -> Parameter:
    return Parameter(int, low=1, high=1000, required=required, help="evaluations between refreshes")


def pattern_parameter(default: str) -> Parameter:
    choices = (UNSHIFTED, SHIFTED, FROM_END)
    return Parameter(str, default, choices=choices, help="which evaluations are computed (methods/refresh.py)")


def refreshes(evaluations: int, interval: int, pattern: str) -> list[bool]:
    """Whether each of the evaluations computes everything; the first always does."""
    phase = {UNSHIFTED: 0, SHIFTED: 1, FROM_END: evaluations - 1}[pattern]
    return [k == 0 or (k - phase) % interval == 0 for k in range(evaluations)]


OFFICIAL, DIFFUSERS = "official", "diffusers"


def warmed_up(evaluations: int, interval: int, warmup: int, cadence: str = OFFICIAL, cooldown: int = 0) -> list[bool]:
    """Whether each evaluation computes everything: `warmup` at the start, then each time `interval` has passed.

    `official`: counted from the last of the warm-up, as in the code of TaylorSeer and HiCache++. `diffusers`: the
    first refresh is two evaluations after it, whatever the interval, as in diffusers' TaylorSeer hook.
    """
    first = warmup - 1 if cadence == OFFICIAL else warmup + 1
    late = evaluations - cooldown
    return [k < warmup or k >= late or (k >= first and (k - first) % interval == 0) for k in range(evaluations)]
