"""A benchmark's parts, each in a process of its own, put together in one file."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Answer = TypeVar("Answer")
ENTRY = ("setting", "threads", "kernels", "dtype")  # what tells one entry of the results from another


def apart(function: Callable[..., Answer], *arguments: Any) -> Answer:
    """What a function of a module returns, or raises, in a fresh process: no other part's memory or caches."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(function, *arguments).result()


def joined(results: list[dict[str, Any]], part: dict[str, Any]) -> list[dict[str, Any]]:
    """`results` with `part`: within the entry that it belongs to, else as an entry of its own."""
    if not any(same(entry, part) for entry in results):
        return [*results, part]
    return [merged(entry, part) if same(entry, part) else entry for entry in results]


def same(entry: dict[str, Any], part: dict[str, Any]) -> bool:
    return all(entry[key] == part[key] for key in ENTRY)


def merged(entry: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """An entry with what is new of some of its cases; one that was measured is no longer left out."""
    both = deeper(entry, part, 2)
    left_out = {case: why for case, why in both.get("left_out", {}).items() if case not in part.get("cases", {})}
    return {**both, "left_out": left_out}


def deeper(old: dict[str, Any], new: dict[str, Any], depth: int) -> dict[str, Any]:
    """`old` with what `new` says, joined down to `depth` dictionaries within."""
    shared = [key for key in old.keys() & new.keys() if isinstance(old[key], dict)] if depth else []
    return {**old, **new, **{key: deeper(old[key], new[key], depth - 1) for key in shared}}
