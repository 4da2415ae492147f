"""What a container, a cluster's job or a service may use: limits of the control groups that a process is in (Linux)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

PLACE = "fs/cgroup"
MEMORY = (("memory.max", "memory.current", "inactive_file"),
          ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))  # fmt: skip


def folders(kind: str, proc: Path, system: Path) -> Iterator[Path]:
    """Of this process's group and of all above it, for memory or cpu: each has its own limit.

    In version 1 every kind has a tree of its own, in version 2 (which says no kind) there is one. `proc` and `system`
    are /proc and /sys.
    """
    roots = {"": system / PLACE, kind: system / PLACE / kind}
    for line in text_of(proc / "self/cgroup").splitlines():
        kinds, _, path = line.partition(":")[2].partition(":")
        for root in (roots[name] for name in kinds.split(",") if name in roots):
            group = root / path.lstrip("/")
            inside = root in group.parents and ".." not in group.parts  # a container need not see its own place
            while inside and group != root:
                yield group
                group = group.parent
    yield from roots.values()


def memory_left(proc: Path, system: Path) -> Iterator[float]:
    """Bytes that each limit leaves. Files that are only kept in memory go when it is wanted, and do not count."""
    for folder in folders("memory", proc, system):
        for limit, used, cached in MEMORY:
            with contextlib.suppress(ValueError):  # "max": there is none
                most, spent = float(text_of(folder / limit)), float(text_of(folder / used))
                kept = dict(line.split() for line in text_of(folder / "memory.stat").splitlines())
                yield most - max(0.0, spent - float(kept.get(cached, 0)))


def core_quotas(proc: Path, system: Path) -> Iterator[float]:
    """Cores that each quota of processor time amounts to."""
    for folder in folders("cpu", proc, system):
        for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            words = [word for file in files for word in text_of(folder / file).split()]
            if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):  # "max", -1: there is none
                yield int(words[0]) / int(words[1])


def text_of(path: Path) -> str:
    """A small file's text, empty where it is not there."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text()
    return ""
