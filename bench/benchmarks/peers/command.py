"""Cache methods against their published implementations: the same setting on the same weights, taking turns.

`python -m bench.benchmarks.peers [--only TEXT] [--cases NAME,…] [--kernels K] [--dtype D] [--threads N] [--rounds N]
[--steps N] [--memory] [OUT]` adds to results/benchmarks/peers.json; what OUT says of the same setting, threads, dtype,
kernels and case is replaced, so that the table can be made a part at a time. It needs the optional extra `peers`; a
library that is not installed is left out, and `left_out` says so. Every pair has a process of its own: the same
threads, dtype, noise and labels, a tuned allocator on both sides. Kernels are those of our products; libraries multiply
as they always do. Before anything is timed the evaluations that compute a branch must be the same ones, and the
samples equal; a pair of which that is not so is said and left as it was, and the exit code is 1. With --memory nothing
is timed: every side of every pair runs once, alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.benchmarks.allocator import ALLOCATOR, tuned_allocator
from bench.benchmarks.peers.equality import TOLERANCE, Unequal
from bench.benchmarks.peers.libraries import OFFICIAL, PEERS
from bench.benchmarks.peers.measuring import measure, memory
from bench.benchmarks.peers.pair import FLOAT32, Pair
from bench.benchmarks.peers.parts import apart, joined
from bench.benchmarks.peers.settings import SCALE, SETTINGS
from bench.benchmarks.peers.table import memory_table, table
from bench.host.environment import environment, version
from bench.host.files import write_json
from bench.host.places import REPOSITORY
from bench.run.kernels import settled
from bench.sampling.compiled import Execution
from bench.sampling.compiled.onednn import BLAS, KERNELS
from bench.suite.cells import Settings

OUT = REPOSITORY / "results" / "benchmarks" / "peers.json"
TARGET = {"least_ratio": 1.3, "of": "smoothcache, taylorseer and first-block-cache at width 192"}
NAMES = "; ".join(setting.name for setting in SETTINGS)


def chosen(arguments: list[str] | None) -> argparse.Namespace:
    """What is to be done. Exits with 2 for a setting, case, kernels or dtype that there are not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, default=OUT)
    parser.add_argument("--rounds", type=positive, help="of every setting, instead of its own")
    parser.add_argument("--steps", type=positive, help="of every setting, instead of its own: a row of its own")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--kernels", choices=KERNELS, default=BLAS, help="of our products, as in ditbench run")
    parser.add_argument("--dtype", choices=tuple(TOLERANCE), default=FLOAT32, help="of both sides")
    parser.add_argument("--only", default="", metavar="TEXT", help=f"settings whose name contains this, of: {NAMES}")
    parser.add_argument("--cases", default=",".join(PEERS), metavar="NAME,…", help="default: %(default)s")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of times")
    args = parser.parse_args(arguments)
    own = {key: value for key in ("rounds", "steps") if (value := getattr(args, key)) is not None}
    args.settings = [replace(setting, **own) for setting in SETTINGS if args.only in setting.name]
    args.cases = args.cases.split(",")
    if not args.settings:
        parser.error(f"--only: no setting's name contains {args.only!r}; there are: {NAMES}")
    if unknown := set(args.cases) - PEERS.keys():
        parser.error(f"--cases: unknown {', '.join(sorted(unknown))}; there are: {', '.join(PEERS)}")
    return args


def positive(word: str) -> int:
    """A whole number from 1 on. Raises ValueError, which argparse makes one line of."""
    if int(word) < 1:
        raise ValueError
    return int(word)


def found(pair: Pair, memory_alone: bool) -> dict[str, Any] | None:
    """What is measured of a pair in a process of its own, or of its sides in one each; None where they are unequal."""
    if memory_alone:
        sides = {side: apart(memory, pair, side == "ours") for side in ("ours", "theirs")}
        return {"cases": {}, "left_out": {}, "ratio": {}, "memory_mb": {pair.case: sides}}
    try:
        return apart(measure, pair)
    except Unequal as error:
        print(error, file=sys.stderr)
        return None


def main(arguments: list[str] | None = None) -> None:
    args = chosen(arguments)
    tuned_allocator()
    how = settled(Settings(dtype=args.dtype, threads=args.threads, execution=Execution(kernels=args.kernels)))
    versions = {name: version(name) for name in ("torch", *{library for library, _ in PEERS.values()} - {OFFICIAL})}
    head = {"benchmark": "peers", "guidance_scale": SCALE, "allocator": ALLOCATOR, "target": TARGET}
    results = json.loads(args.out.read_text())["results"] if args.out.is_file() else []
    unequal = 0
    for pair in (Pair(setting, case, how) for setting in args.settings for case in args.cases):
        print(f"{pair.setting.name}: {pair.case}", file=sys.stderr)
        run = {"memory" if args.memory else "time": {pair.case: {"versions": versions, **environment()}}}
        part = found(pair, args.memory)
        if part is None:
            unequal += 1
            continue
        results = joined(results, {**pair.recorded(), **part, "runs": run})
        write_json(args.out, {**head, "results": results})  # each as it is done
    print("\n".join((memory_table if args.memory else table)(results)))
    if unequal:
        sys.exit(1)
