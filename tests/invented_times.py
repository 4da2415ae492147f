"""What a timing session of a study would hold, had every plan taken just the latency that a test gives it."""

from __future__ import annotations

from collections.abc import Mapping

from bench.studies.lab.latency import UNCACHED


def session(latencies: Mapping[str, float], noise: float = 1e-4, batch: int = 2) -> dict:
    """Six rounds in each of two processes; `latencies` in ms, nearly the same in every round. UNCACHED takes 10 ms."""
    taken = {UNCACHED: 10.0, **latencies, f"{UNCACHED} again": 10.0}
    rounds = [
        {"process": n // 6, "interfered": False, "load": 0.1, "wall_ns": shaken(taken, n, noise)} for n in range(12)
    ]
    return {
        "settings": {name: name for name in (UNCACHED, *latencies)}, "repeated": [UNCACHED], "removed": {},
        "batch": batch, "processes": [{}, {}], "rounds": rounds,
    }  # fmt: skip


def shaken(taken: Mapping[str, float], n: int, noise: float) -> dict[str, int]:
    """The nth round, in ns: every time off by up to twice `noise`."""
    return {name: round(ms * 1e6 * (1 + noise * ((3 * n + i) % 5 - 2))) for i, (name, ms) in enumerate(taken.items())}
