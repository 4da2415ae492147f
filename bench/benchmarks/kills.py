"""Runs that are killed at random moments and gone on with: whether any result, file or process tells of it.

`nice python -m bench.benchmarks.kills [PLACE=KILLS…] [--seed N]` kills runs of a tiny suite on each PLACE, as `--on`
takes it, until there were as many kills; by default 30 on local:2, 10 on submitit's local jobs and 10 on Ray. A run is
killed up to MAX_KILLS times, goes on with the same command each time and then to its end; its results must be those of
a run that was left alone. Prints a line a kill; writes results/benchmarks/kills.json. Linux only. Exit code 1: a fault.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.benchmarks.killed_chain import Chain, Kill
from bench.benchmarks.same_results import deterministic
from bench.benchmarks.tiny_run import write_tiny_run
from bench.host.files import write_json

OUT = Path("results/benchmarks/kills.json")
KILLS = {"local:2": 30, "slurm:2,cluster=local": 10, "ray:2": 10}
MAX_KILLS = 8  # of one run
SHARE = 0.6  # of the time that a run takes when left alone: the latest moment of a kill


def main(*words: str) -> int:
    seed = int(words[words.index("--seed") + 1]) if "--seed" in words else 0
    wanted = {place: int(kills) for word in words if "=" in word for place, _, kills in [word.rpartition("=")]} or KILLS
    for sent in (signal.SIGHUP, signal.SIGINT):
        signal.signal(sent, signal.SIG_DFL)  # nohup and shells in the background have it ignored, which is inherited
    found: dict[str, Any] = {}
    before = json.loads(OUT.read_text())["places"] if OUT.exists() else {}  # places that are not run now stay there
    with tempfile.TemporaryDirectory() as folder:
        command = write_tiny_run(Path(folder))
        alone = Chain(Path(folder) / "alone", command, "local:1")
        alone.start().wait()
        expected = deterministic(alone.out)
        try:
            for number, place in enumerate(wanted):
                draw = random.Random(f"{seed} {place}")
                for result in of_place(place, wanted[place], Path(folder) / str(number), command, expected, draw):
                    found[place] = result
        finally:  # not before: cells say whether files of the checkout were changed
            write_json(OUT, {"benchmark": "kills", "places": before | found})
    faults = [fault for result in found.values() for fault in result["faults"]]
    print("\n".join([*faults, f"{sum(result['kills'] for result in found.values())} kills, {len(faults)} faults"]))
    return 1 if faults else 0


def of_place(
    place: str, wanted: int, folder: Path, command: list[str], alone: dict[str, Any], draw: random.Random
) -> Iterator[dict[str, Any]]:
    """Chains of kills until there were `wanted`; after each of them what was found so far."""
    from bench.host.environment import environment

    started = time.monotonic()
    whole = Chain(folder / "whole", command, place)
    whole.start().wait()
    seconds, faults, kinds, chains = time.monotonic() - started, whole.faults, Counter[str](), 0
    whole.finish(alone)
    print(f"{place}: {seconds:.0f} s without kills", flush=True)
    while kinds.total() < wanted:
        chain, chains = Chain(folder / str(chains), command, place), chains + 1
        for _ in range(min(MAX_KILLS, wanted - kinds.total())):
            kill = Kill.drawn(draw, SHARE * seconds)
            said = chain.strike(kill, draw)
            if said is None:
                break
            kinds[str(kill)] += 1
            print(f"{place} {kinds.total()}/{wanted}: {said}", flush=True)
        chain.finish(alone)
        killed = f"{len(chain.killed)} cells whose own process was killed, "
        print("\n".join([f"{place} chain {chains}: {killed}{len(chain.faults)} faults", *chain.faults]), flush=True)
        faults += chain.faults
        yield {
            "kills": kinds.total(), "chains": chains, "by": dict(sorted(kinds.items())), "faults": faults,
            "seconds": round(time.monotonic() - started), "seconds_alone": round(seconds), "environment": environment(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
