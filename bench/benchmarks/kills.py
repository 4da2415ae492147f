"""Runs that are killed at random moments and gone on with: whether any result, file or process tells of it.

`nice python -m bench.benchmarks.kills [PLACE=KILLS…] [--seed N]` kills runs of a tiny suite on each PLACE, as `--on`
takes it, until there were as many kills; by default 30 on local:2, 10 on submitit's local jobs and 10 on Ray. A run is
killed up to MAX_KILLS times, goes on with the same command each time and then to its end; its results must be those of
a run that was left alone. Prints a line a kill; writes results/benchmarks/kills.json. Linux only. Exit code 1: a fault.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.benchmarks.killed_chain import Chain, Kill
from bench.benchmarks.same_results import deterministic
from bench.benchmarks.tiny_run import write_tiny_run
from bench.host.files import write_json

OUT = Path("results/benchmarks/kills.json")
KILLS = {"local:2": 30, "slurm:2,cluster=local": 10, "ray:2": 10}
MAX_KILLS = 5  # of one run


def main(*words: str) -> int:
    seed = int(words[words.index("--seed") + 1]) if "--seed" in words else 0
    wanted = {place: int(kills) for word in words if "=" in word for place, _, kills in [word.rpartition("=")]} or KILLS
    with tempfile.TemporaryDirectory() as folder:
        command = write_tiny_run(Path(folder))
        alone = Chain(Path(folder) / "alone", command, "local:1")
        alone.start().wait()
        expected = deterministic(alone.out)
        found = {
            place: of_place(
                place, kills, Path(folder) / f"place{number}", command, expected, random.Random(seed + number)
            )
            for number, (place, kills) in enumerate(wanted.items())
        }
    from bench.host.environment import environment

    finished = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(
        OUT, {"benchmark": "kills", "seed": seed, "places": found, "environment": environment(), "finished": finished}
    )
    faults = [fault for result in found.values() for fault in result["faults"]]
    print("\n".join([*faults, f"{sum(r['kills'] for r in found.values())} kills, {len(faults)} faults"]))
    return 1 if faults else 0


def of_place(
    place: str, wanted: int, folder: Path, command: list[str], alone: dict[str, Any], draw: random.Random
) -> dict[str, Any]:
    """Chains of kills until there were `wanted`."""
    started = time.monotonic()
    whole = Chain(folder / "whole", command, place)
    whole.finish(alone)
    seconds, faults, kinds, chains = time.monotonic() - started, whole.faults, Counter[str](), 0
    print(f"{place}: {seconds:.0f} s without kills", flush=True)
    while kinds.total() < wanted:
        chain, chains = Chain(folder / str(chains), command, place), chains + 1
        for _ in range(min(MAX_KILLS, wanted - kinds.total())):
            kill = Kill.drawn(draw, seconds)
            said = chain.strike(kill, draw)
            if said is None:
                break
            kinds[str(kill)] += 1
            print(f"{place} {kinds.total()}/{wanted}: {said}", flush=True)
        chain.finish(alone)
        print("\n".join([f"{place} chain {chains}: {len(chain.faults)} faults", *chain.faults]), flush=True)
        faults += chain.faults
    spent = round(time.monotonic() - started)
    return {
        "kills": kinds.total(),
        "chains": chains,
        "by": dict(sorted(kinds.items())),
        "seconds": spent,
        "faults": faults,
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
