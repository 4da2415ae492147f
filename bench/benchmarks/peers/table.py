"""Rows of results/benchmarks/peers.json as Markdown."""

from __future__ import annotations

from typing import Any

from bench.benchmarks.executor import text
from bench.benchmarks.peers.libraries import PEERS


def table(results: list[dict[str, Any]]) -> list[str]:
    """How many times as fast as each library ours is, in processor time, with 95 % intervals over rounds."""
    timed = [found for found in results if found["ratio"]]
    return [row(found, {case: text(ratio["process"]) for case, ratio in found["ratio"].items()}) for found in timed]


def memory_table(results: list[dict[str, Any]]) -> list[str]:
    """Our peak memory as a share of each library's, and both in GB."""
    return [
        row(found, {case: share(**sides) for case, sides in found["memory_mb"].items()})
        for found in results
        if "memory_mb" in found
    ]


def share(ours: float | None, theirs: float | None) -> str:
    return "–" if ours is None or theirs is None else f"{ours / theirs:.2f} ({ours / 1e3:.2f} / {theirs / 1e3:.2f})"


def row(found: dict[str, Any], cells: dict[str, str]) -> str:
    """What the row is of, then a column a case."""
    setting = found["setting"]
    of = [setting["name"], *map(str, (setting["steps"], found["threads"])), found["dtype"], found["kernels"]]
    return f"| {' | '.join([*of, *(cells.get(case, '–') for case in PEERS)])} |"
