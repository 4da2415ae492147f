"""`ditbench clean`: disk space back, from runs that are over and from the cache directory."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from bench.host.removal import Found, remove_empty
from models.cache_use import alone
from models.errors import InputError

HELP = "remove what runs left over, samples of finished cells, and what is kept in the cache directory"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
KINDS = ("samples", "exact", "images")  # folders of a run that may be empty afterwards


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directories", metavar="DIR", nargs="*", type=Path, help="a run's directory (default: the cache)"
    )
    parser.add_argument("--samples", action="store_true", help="of DIR also latents and features of finished cells")
    parser.add_argument("--cache", action="store_true", help="all kept features and downloads, whatever their size")
    parser.add_argument("--older-than", metavar="AGE", help="only what was not used for as long: 30d, 12h, 2w")
    parser.add_argument("--dry-run", action="store_true", help="say what would go; remove nothing")


def run(args: argparse.Namespace) -> int:
    """Prints what was freed. Raises InputError, where a run or a process is at work there, before anything goes."""
    from bench.cli.cleaning import of_cache, of_run
    from bench.store.directory import WORKERS
    from models.fetch import cache_directory

    if args.samples and not args.directories:
        raise InputError("clean: --samples is for the directories of runs; name one")
    before = time.time() - age(args.older_than)
    runs = list(dict.fromkeys(directory.resolve() for directory in args.directories))
    cache = cache_directory() if (args.cache or not runs) and cache_directory().is_dir() else None
    with ExitStack() as locks:
        for directory in runs:
            locks.enter_context(locked_run(directory))
        if cache is not None and args.cache:
            locks.enter_context(alone(cache))
        freed = [take(directory, of_run(directory, args.samples), before, args.dry_run) for directory in runs]
        freed += [] if cache is None else [take(cache, of_cache(cache, args.cache), before, args.dry_run)]
        for directory in () if args.dry_run else runs:
            for kind in (*KINDS, WORKERS) if args.samples else (WORKERS,):
                remove_empty(directory / kind)
    total = size(sum(freed))
    print(f"would free {total}; nothing was removed" if args.dry_run else f"freed {total}")
    return 0


def locked_run(directory: Path) -> AbstractContextManager[None]:
    """Nobody works in the run's directory meanwhile. Raises InputError where it is none; entering, where one does."""
    from bench.store.directory import Store

    if not (directory / "suite.json").is_file() and not (directory / "cells").is_dir():
        raise InputError(f"{directory}: expected the directory of a run (with suite.json or cells/)")
    return Store(directory).alone()


def take(where: Path, candidates: Iterable[Found], before: float, dry: bool) -> int:
    """Remove those that were last used before, and print one line a kind; returns the bytes."""
    kinds: dict[str, list[int]] = {}
    for candidate in list(candidates):
        if candidate.used <= before:
            kinds.setdefault(candidate.what, []).append(candidate.size if dry else candidate.remove())
    for what, sizes in kinds.items():
        print(f"{where}: {len(sizes)} {what}, {size(sum(sizes))}")
    return sum(map(sum, kinds.values()))


def age(text: str | None) -> float:
    """Seconds of `30d`; 0 for None. Raises InputError for anything else."""
    if text is None:
        return 0.0
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text, re.ASCII)
    if match is None:
        raise InputError(f"clean: --older-than must be a whole number with s, m, h, d or w, as 30d, got '{text}'")
    return int(match[1]) * float(UNITS[match[2]])


def size(count: float) -> str:
    """Bytes for people."""
    unit = "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if count >= 1000:
            count, unit = count / 1000, larger
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
